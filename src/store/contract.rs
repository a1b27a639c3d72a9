//! What every [`Store`] must do, as one table of named checks. An implementation's tests call
//! [`run`] with a way to make an empty store; a check that fails names itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::*;

type Check<S> = fn(Arc<S>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! checks {
    ($store:ty: $($name:ident),* $(,)?) => {
        [$((stringify!($name), (|store| Box::pin($name(store))) as Check<$store>)),*]
    };
}

/// Runs every check on a store of its own. Wants a runtime with several threads.
///
/// # Panics
/// When a check fails.
pub async fn run<S: Store, F: Fn() -> S>(fresh: F) {
    let checks = checks![S:
        nothing_is_known_at_first,
        a_sign_in_is_live,
        seen_moves_the_last_activity_forward_only,
        an_end_is_remembered_with_its_first_reason,
        ended_revives_only_through_a_sign_in,
        a_sign_in_under_a_live_key_replaces_it,
        a_live_key_takes_no_second_place,
        full_refuses_and_remembers_the_credential,
        what_a_control_refused_is_remembered_and_no_sign_in,
        full_ends_the_session_seen_longest_ago,
        ends_as_many_as_it_takes,
        dead_sessions_take_no_place,
        no_limit_means_no_limit,
        people_do_not_take_each_others_places,
        most_of_none_refuses,
        racing_sign_ins_respect_the_limit,
        racing_sign_ins_displace_each_other,
        rotation_moves_the_session,
        rotation_cannot_revive_or_overwrite,
        a_rotated_session_still_takes_one_place,
        failures_count_within_their_window,
        account_and_address_count_apart,
        signing_in_clears_the_account_not_the_address,
        failures_are_counted_in_any_order,
        reactivation_counts_as_activity,
        people_are_listed_by_name,
        only_live_sessions_are_listed,
        a_failing_commit_changes_nothing,
        effects_of_one_commit_build_on_each_other,
    ];
    for (name, check) in checks {
        let outcome = tokio::spawn(AssertUnwindSafe(check(Arc::new(fresh())))).await;
        assert!(outcome.is_ok(), "store contract: {name}");
    }
}

/// The moment at which the checks begin.
pub const START: Timestamp = Timestamp(1_772_442_000_000);

const MINUTE: Duration = Duration::from_secs(60);

fn minute(count: u32) -> Timestamp {
    START.plus(MINUTE * count)
}

fn key(name: &str) -> SessionKey {
    SessionKey::of("agents", name.as_bytes())
}

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn record(name: &str, at: Timestamp) -> Arc<SessionRecord> {
    Arc::new(SessionRecord {
        user: user(name),
        realm: "agents".into(),
        groups: ["billing".into()].into(),
        started: at,
        last_seen: at,
        address: address(1),
    })
}

/// A sign-in of `name`, `minutes` after the start, under the credential `credential`.
#[must_use]
pub fn sign_in(name: &str, credential: &str, minutes: u32, at_once: Option<AtOnce>) -> Effect {
    Effect::SignedIn { key: key(credential), record: record(name, minute(minutes)), at_once }
}

fn seen(credential: &str, minutes: u32) -> Effect {
    Effect::Seen { key: key(credential), at: minute(minutes) }
}

fn ended(credential: &str, reason: EndReason, minutes: u32) -> Effect {
    Effect::Ended { key: key(credential), reason, at: minute(minutes) }
}

fn rotated(from: &str, to: &str, minutes: u32) -> Effect {
    Effect::Rotated { from: key(from), to: key(to), at: minute(minutes) }
}

fn failed(name: &str, from: u8, minutes: u32) -> Effect {
    Effect::SignInFailed { user: user(name), address: address(from), at: minute(minutes) }
}

#[allow(clippy::unnecessary_wraps, reason = "as `sign_in` takes it")]
fn at_once(most: u32, when_full: WhenFull) -> Option<AtOnce> {
    Some(AtOnce { most, when_full, idle: Some(MINUTE * 15), absolute: Some(MINUTE * 600) })
}

async fn state<S: Store>(store: &S, credential: &str) -> SessionState {
    let question = Question { session: Some(key(credential)), sign_in: None };
    store.gather(&question, START).await.unwrap().session
}

async fn live<S: Store>(store: &S, credential: &str) -> Option<Arc<SessionRecord>> {
    match state(store, credential).await {
        SessionState::Live(record) => Some(record),
        _ => None,
    }
}

/// Why a session ended; `None` when it did not.
async fn end_of<S: Store>(store: &S, credential: &str) -> Option<EndReason> {
    match state(store, credential).await {
        SessionState::Ended { reason, .. } => Some(reason),
        _ => None,
    }
}

async fn known<S: Store>(store: &S, name: &str, from: u8, window: Duration, now: Timestamp) -> SignInKnown {
    let user = user(name);
    let asked = SignInQuestion { user: &user, address: address(from), account_window: window, address_window: window };
    let question = Question { session: None, sign_in: Some(asked) };
    store.gather(&question, now).await.unwrap().sign_in.unwrap()
}

async fn commit<S: Store>(store: &S, effects: &[Effect]) -> Committed {
    store.commit(effects).await.unwrap()
}

async fn nothing_is_known_at_first<S: Store>(store: Arc<S>) {
    assert_eq!(state(&*store, "a").await, SessionState::Unknown);
    assert_eq!(known(&*store, "bob", 1, MINUTE, START).await, SignInKnown::default());
    assert!(store.sessions().await.unwrap().is_empty());
    assert!(store.people().await.unwrap().is_empty());
    let known = store.gather(&Question::default(), START).await.unwrap();
    assert!(known.sign_in.is_none());
    commit(&*store, &[]).await;
    commit(&*store, &[ended("a", EndReason::SignedOut, 0), seen("a", 0)]).await;
    assert_eq!(state(&*store, "a").await, SessionState::Unknown);
}

async fn a_sign_in_is_live<S: Store>(store: Arc<S>) {
    let done = commit(&*store, &[sign_in("Bob ", "a", 3, at_once(1, WhenFull::Refuse))]).await;
    assert_eq!(done, Committed::default());
    assert_eq!(state(&*store, "a").await, SessionState::Live(record("bob", minute(3))));
    let known = known(&*store, "BOB", 1, MINUTE, minute(3)).await;
    assert_eq!(known.last_sign_in, Some(minute(3)));
}

async fn seen_moves_the_last_activity_forward_only<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None)]).await;
    commit(&*store, &[seen("a", 5)]).await;
    commit(&*store, &[seen("a", 4)]).await;
    let found = live(&*store, "a").await.unwrap();
    assert_eq!((found.started, found.last_seen), (minute(0), minute(5)));
    commit(&*store, &[ended("a", EndReason::SignedOut, 6), seen("a", 7)]).await;
    commit(&*store, &[seen("a", 8)]).await;
    let SessionState::Ended { record, .. } = state(&*store, "a").await else { panic!("revived") };
    assert_eq!(record.last_seen, minute(5));
}

async fn an_end_is_remembered_with_its_first_reason<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None)]).await;
    commit(&*store, &[ended("a", EndReason::Revoked, 1)]).await;
    commit(&*store, &[ended("a", EndReason::Idle, 2)]).await;
    let expected = SessionState::Ended { record: record("bob", START), reason: EndReason::Revoked, at: minute(1) };
    assert_eq!(state(&*store, "a").await, expected);
}

async fn ended_revives_only_through_a_sign_in<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None), ended("a", EndReason::SignedOut, 1)]).await;
    commit(&*store, &[seen("a", 2)]).await;
    assert!(store.commit(&[rotated("a", "b", 2)]).await.is_err());
    assert_eq!(end_of(&*store, "a").await, Some(EndReason::SignedOut));
    assert_eq!(state(&*store, "b").await, SessionState::Unknown);
    commit(&*store, &[sign_in("eve", "a", 3, None)]).await;
    assert_eq!(live(&*store, "a").await.unwrap().user, user("eve"));
}

async fn a_sign_in_under_a_live_key_replaces_it<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None)]).await;
    commit(&*store, &[sign_in("eve", "a", 1, None)]).await;
    assert_eq!(live(&*store, "a").await.unwrap().user, user("eve"));
    assert_eq!(store.sessions().await.unwrap().len(), 1);
    // Bob has his place back.
    let done = commit(&*store, &[sign_in("bob", "b", 2, at_once(1, WhenFull::Refuse))]).await;
    assert!(!done.refused);
}

async fn a_live_key_takes_no_second_place<S: Store>(store: Arc<S>) {
    for minutes in 0..3 {
        let done = commit(&*store, &[sign_in("bob", "a", minutes, at_once(1, WhenFull::Refuse))]).await;
        assert_eq!(done, Committed::default());
    }
    assert_eq!(live(&*store, "a").await.unwrap().started, minute(2));
}

async fn full_refuses_and_remembers_the_credential<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, at_once(1, WhenFull::Refuse)), failed("bob", 1, 0)]).await;
    let done = commit(&*store, &[sign_in("bob", "b", 1, at_once(1, WhenFull::Refuse))]).await;
    assert_eq!(done, Committed { refused: true, displaced: Vec::new() });
    assert!(live(&*store, "a").await.is_some());
    assert_eq!(end_of(&*store, "b").await, Some(EndReason::Refused));
    let known = known(&*store, "bob", 1, MINUTE * 9, minute(1)).await;
    assert_eq!((known.last_sign_in, known.account_failures), (Some(minute(0)), 1), "a refusal is no sign-in");
    // The app put a refused session where another was live: that one is gone in the app too.
    commit(&*store, &[sign_in("eve", "c", 1, None)]).await;
    commit(&*store, &[sign_in("bob", "c", 2, at_once(1, WhenFull::Refuse))]).await;
    assert_eq!(end_of(&*store, "c").await, Some(EndReason::Refused));
}

async fn what_a_control_refused_is_remembered_and_no_sign_in<S: Store>(store: Arc<S>) {
    let refused = |credential, minutes| Effect::Refused {
        key: key(credential),
        record: record("bob", minute(minutes)),
        reason: EndReason::Inactive,
    };
    commit(&*store, &[sign_in("bob", "a", 0, None), ended("a", EndReason::SignedOut, 1), failed("bob", 1, 2)]).await;
    commit(&*store, &[refused("b", 3)]).await;
    assert_eq!((end_of(&*store, "b").await, live(&*store, "b").await), (Some(EndReason::Inactive), None));
    let known = known(&*store, "bob", 1, MINUTE * 9, minute(3)).await;
    assert_eq!((known.last_sign_in, known.account_failures), (Some(minute(0)), 1));
    // Where the app gave the credential of a live session, that one is over.
    commit(&*store, &[sign_in("eve", "c", 4, None)]).await;
    commit(&*store, &[refused("c", 5)]).await;
    assert_eq!(end_of(&*store, "c").await, Some(EndReason::Inactive));
}

async fn full_ends_the_session_seen_longest_ago<S: Store>(store: Arc<S>) {
    let limit = at_once(2, WhenFull::EndOldest);
    commit(&*store, &[sign_in("bob", "a", 0, limit)]).await;
    commit(&*store, &[sign_in("bob", "b", 1, limit)]).await;
    commit(&*store, &[seen("a", 2)]).await;
    let done = commit(&*store, &[sign_in("bob", "c", 3, limit)]).await;
    assert_eq!(done, Committed { refused: false, displaced: vec![key("b")] });
    assert_eq!(end_of(&*store, "b").await, Some(EndReason::Displaced));
    assert!(live(&*store, "a").await.is_some() && live(&*store, "c").await.is_some());
}

async fn ends_as_many_as_it_takes<S: Store>(store: Arc<S>) {
    for (minutes, credential) in ["a", "b", "c"].into_iter().enumerate() {
        commit(&*store, &[sign_in("bob", credential, u32::try_from(minutes).unwrap(), None)]).await;
    }
    let done = commit(&*store, &[sign_in("bob", "d", 4, at_once(2, WhenFull::EndOldest))]).await;
    assert_eq!(done.displaced, [key("a"), key("b")]);
    assert!(live(&*store, "c").await.is_some() && live(&*store, "d").await.is_some());
}

async fn dead_sessions_take_no_place<S: Store>(store: Arc<S>) {
    let limit = |idle, absolute| Some(AtOnce { most: 1, when_full: WhenFull::Refuse, idle, absolute });
    commit(&*store, &[sign_in("bob", "idle", 0, None), sign_in("eve", "old", 0, None)]).await;
    let done = commit(&*store, &[sign_in("bob", "a", 15, limit(Some(MINUTE * 15), None))]).await;
    assert_eq!(done, Committed::default());
    assert_eq!(end_of(&*store, "idle").await, Some(EndReason::Idle));
    commit(&*store, &[seen("old", 59)]).await;
    let done = commit(&*store, &[sign_in("eve", "b", 60, limit(Some(MINUTE * 15), Some(MINUTE * 60)))]).await;
    assert_eq!(done, Committed::default());
    assert_eq!(end_of(&*store, "old").await, Some(EndReason::Absolute));
    let done = commit(&*store, &[sign_in("bob", "c", 29, limit(Some(MINUTE * 15), None))]).await;
    assert!(done.refused, "a minute left is not idle");
}

async fn no_limit_means_no_limit<S: Store>(store: Arc<S>) {
    for credential in ["a", "b", "c"] {
        assert_eq!(commit(&*store, &[sign_in("bob", credential, 0, None)]).await, Committed::default());
    }
    assert_eq!(store.sessions().await.unwrap().len(), 3);
}

async fn people_do_not_take_each_others_places<S: Store>(store: Arc<S>) {
    for name in ["bob", "eve"] {
        assert!(!commit(&*store, &[sign_in(name, name, 0, at_once(1, WhenFull::Refuse))]).await.refused);
    }
}

async fn most_of_none_refuses<S: Store>(store: Arc<S>) {
    for when_full in [WhenFull::Refuse, WhenFull::EndOldest] {
        assert!(commit(&*store, &[sign_in("bob", "a", 0, at_once(0, when_full))]).await.refused);
        assert!(live(&*store, "a").await.is_none());
    }
}

/// Signs somebody in from many tasks at once; returns what each commit did.
async fn race<S: Store>(store: &Arc<S>, name: &str, tasks: usize, limit: Option<AtOnce>) -> Vec<Committed> {
    let start = Arc::new(tokio::sync::Barrier::new(tasks));
    let racing: Vec<_> = (0..tasks)
        .map(|task| {
            let (store, start) = (Arc::clone(store), Arc::clone(&start));
            let effect = sign_in(name, &format!("{name}-{task}"), 1, limit);
            tokio::spawn(async move {
                start.wait().await;
                store.commit(&[effect]).await.unwrap()
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in racing {
        done.push(task.await.unwrap());
    }
    done
}

async fn racing_sign_ins_respect_the_limit<S: Store>(store: Arc<S>) {
    for round in 0..20 {
        let name = format!("bob{round}");
        let done = race(&store, &name, 8, at_once(1, WhenFull::Refuse)).await;
        assert_eq!(done.iter().filter(|one| !one.refused).count(), 1, "round {round}");
    }
    assert_eq!(store.sessions().await.unwrap().len(), 20);
}

async fn racing_sign_ins_displace_each_other<S: Store>(store: Arc<S>) {
    for round in 0..20 {
        let name = format!("bob{round}");
        let done = race(&store, &name, 8, at_once(2, WhenFull::EndOldest)).await;
        assert!(done.iter().all(|one| !one.refused));
        let mut displaced: Vec<_> = done.into_iter().flat_map(|one| one.displaced).collect();
        displaced.sort();
        displaced.dedup();
        assert_eq!(displaced.len(), 6, "round {round}: each ends once");
    }
    assert_eq!(store.sessions().await.unwrap().len(), 40);
}

async fn rotation_moves_the_session<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None)]).await;
    commit(&*store, &[seen("a", 1)]).await;
    commit(&*store, &[rotated("a", "b", 2)]).await;
    assert_eq!(end_of(&*store, "a").await, Some(EndReason::Rotated));
    let found = live(&*store, "b").await.unwrap();
    assert_eq!((found.started, found.last_seen, &found.user), (minute(0), minute(1), &user("bob")));
    commit(&*store, &[rotated("b", "b", 3)]).await;
    assert!(live(&*store, "b").await.is_some(), "the same credential again is no change");
}

async fn rotation_cannot_revive_or_overwrite<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None), sign_in("eve", "b", 0, None), sign_in("kim", "c", 0, None)]).await;
    commit(&*store, &[ended("b", EndReason::Revoked, 1)]).await;
    for (from, to) in [("a", "b"), ("a", "c"), ("b", "d"), ("unknown", "d")] {
        assert!(store.commit(&[rotated(from, to, 2)]).await.is_err(), "{from} to {to}");
    }
    assert!(live(&*store, "a").await.is_some());
    assert_eq!(end_of(&*store, "b").await, Some(EndReason::Revoked));
    assert_eq!(live(&*store, "c").await.unwrap().user, user("kim"));
    assert_eq!(state(&*store, "d").await, SessionState::Unknown);
}

async fn a_rotated_session_still_takes_one_place<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None), rotated("a", "b", 0)]).await;
    assert!(commit(&*store, &[sign_in("bob", "c", 1, at_once(1, WhenFull::Refuse))]).await.refused);
    assert!(!commit(&*store, &[sign_in("bob", "d", 1, at_once(2, WhenFull::Refuse))]).await.refused);
}

async fn failures_count_within_their_window<S: Store>(store: Arc<S>) {
    for minutes in 0..10 {
        commit(&*store, &[failed("bob", 1, minutes)]).await;
    }
    for (window, now, count) in [(10, 9, 10), (5, 9, 5), (1, 9, 1), (5, 12, 2), (5, 14, 0)] {
        let known = known(&*store, "bob", 1, MINUTE * window, minute(now)).await;
        assert_eq!((known.account_failures, known.address_failures), (count, count), "{window} min at {now}");
    }
    let later = known(&*store, "bob", 1, FAILURES_KEPT, minute(9).plus(FAILURES_KEPT)).await;
    assert_eq!(later.account_failures, 0);
}

async fn account_and_address_count_apart<S: Store>(store: Arc<S>) {
    commit(&*store, &[failed("bob", 1, 0)]).await;
    commit(&*store, &[failed("bob", 2, 0)]).await;
    commit(&*store, &[failed("eve", 1, 0)]).await;
    let counts = |known: SignInKnown| (known.account_failures, known.address_failures, known.last_sign_in);
    assert_eq!(counts(known(&*store, "Bob", 1, MINUTE, START).await), (2, 2, None));
    assert_eq!(counts(known(&*store, "eve", 2, MINUTE, START).await), (1, 1, None));
    assert_eq!(counts(known(&*store, "kim", 3, MINUTE, START).await), (0, 0, None));
}

async fn signing_in_clears_the_account_not_the_address<S: Store>(store: Arc<S>) {
    commit(&*store, &[failed("bob", 1, 0), failed("eve", 1, 0)]).await;
    commit(&*store, &[sign_in("bob", "a", 0, None)]).await;
    let bob = known(&*store, "bob", 1, MINUTE, START).await;
    assert_eq!((bob.account_failures, bob.address_failures), (0, 2));
    assert_eq!(known(&*store, "eve", 1, MINUTE, START).await.account_failures, 1);
}

async fn failures_are_counted_in_any_order<S: Store>(store: Arc<S>) {
    for minutes in [5, 1, 4, 2, 3] {
        commit(&*store, &[failed("bob", 1, minutes)]).await;
    }
    assert_eq!(known(&*store, "bob", 1, MINUTE * 3, minute(5)).await.account_failures, 3);
}

async fn reactivation_counts_as_activity<S: Store>(store: Arc<S>) {
    commit(&*store, &[Effect::Reactivated { user: user("bob"), at: minute(5) }]).await;
    assert_eq!(known(&*store, "bob", 1, MINUTE, START).await.last_sign_in, Some(minute(5)));
    commit(&*store, &[Effect::Reactivated { user: user("bob"), at: minute(4) }]).await;
    assert_eq!(known(&*store, "bob", 1, MINUTE, START).await.last_sign_in, Some(minute(5)), "never backwards");
}

async fn people_are_listed_by_name<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("kim", "a", 1, None), sign_in("Bob", "b", 2, None)]).await;
    commit(&*store, &[ended("a", EndReason::SignedOut, 3), failed("eve", 1, 3)]).await;
    commit(&*store, &[Effect::Reactivated { user: user("ann"), at: minute(4) }]).await;
    let people: Vec<_> =
        store.people().await.unwrap().into_iter().map(|p| (p.user.as_str().to_owned(), p.last_sign_in)).collect();
    let expected = [("ann", 4), ("bob", 2), ("kim", 1)].map(|(name, at)| (name.to_owned(), minute(at)));
    assert_eq!(people, expected);
}

async fn only_live_sessions_are_listed<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None), sign_in("eve", "b", 0, None), sign_in("kim", "c", 0, None)]).await;
    commit(&*store, &[ended("b", EndReason::SignedOut, 1), rotated("c", "d", 1)]).await;
    let mut listed = store.sessions().await.unwrap();
    listed.sort_by(|a, b| a.1.user.cmp(&b.1.user));
    assert_eq!(listed, [(key("a"), record("bob", START)), (key("d"), record("kim", START))]);
}

async fn a_failing_commit_changes_nothing<S: Store>(store: Arc<S>) {
    commit(&*store, &[sign_in("bob", "a", 0, None), failed("eve", 1, 0)]).await;
    let effects = [
        sign_in("bob", "b", 1, at_once(1, WhenFull::EndOldest)),
        sign_in("eve", "c", 1, None),
        failed("bob", 1, 1),
        ended("b", EndReason::SignedOut, 1),
        Effect::Reactivated { user: user("kim"), at: minute(1) },
        rotated("unknown", "d", 1),
    ];
    assert!(store.commit(&effects).await.is_err());
    assert_eq!(store.sessions().await.unwrap(), [(key("a"), record("bob", START))]);
    assert_eq!(state(&*store, "b").await, SessionState::Unknown);
    assert_eq!(store.people().await.unwrap(), [Person { user: user("bob"), last_sign_in: START }]);
    let eve = known(&*store, "eve", 1, MINUTE * 9, minute(1)).await;
    assert_eq!((eve.account_failures, eve.address_failures), (1, 1));
}

async fn effects_of_one_commit_build_on_each_other<S: Store>(store: Arc<S>) {
    let effects = [sign_in("bob", "a", 0, None), seen("a", 1), rotated("a", "b", 2), seen("b", 3)];
    commit(&*store, &effects).await;
    assert_eq!(live(&*store, "b").await.unwrap().last_seen, minute(3));
    commit(&*store, &[ended("b", EndReason::SignedOut, 4), sign_in("bob", "b", 5, None)]).await;
    assert_eq!(live(&*store, "b").await.unwrap().started, minute(5));
}
