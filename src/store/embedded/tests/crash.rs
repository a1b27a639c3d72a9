//! What is left after a crash.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const CHILD: &str = "DESKGATE_STORE_CHILD";

/// Not a test of its own: the process that [`no_acknowledged_commit_is_lost_to_kill_9`] kills.
#[tokio::test(flavor = "multi_thread")]
async fn killed_child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (round, dir) = order.split_once(' ').unwrap();
    let store = Arc::new(EmbeddedStore::open(std::path::Path::new(dir), START).unwrap());
    let tasks: Vec<_> = (0..6).map(|task| tokio::spawn(busy(Arc::clone(&store), format!("{round}-{task}")))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Commits without end, and tells of each that was acknowledged.
async fn busy(store: Arc<EmbeddedStore>, name: String) {
    let done = |line: String| std::io::stdout().lock().write_all(format!("ack {line}\n").as_bytes()).unwrap();
    for n in 0_u64.. {
        let credential = format!("{name}-{n}");
        store.commit(&[sign_in(&name, &credential, 0, None)]).await.unwrap();
        done(format!("live {credential}"));
        store.commit(&[Effect::Seen { key: key(&credential), at: START.plus(Duration::from_secs(1)) }]).await.unwrap();
        if n % 3 == 0 {
            store.commit(&[ended(&credential)]).await.unwrap();
            done(format!("ended {credential}"));
        } else if n % 3 == 1 {
            let to = format!("{credential}-to");
            store.commit(&[Effect::Rotated { from: key(&credential), to: key(&to), at: START }]).await.unwrap();
            done(format!("ended {credential}"));
            done(format!("live {to}"));
        }
        let back = UserName::new(&credential).unwrap();
        store
            .commit(&[failed(&format!("x{name}"), START), Effect::Reactivated { user: back, at: START }])
            .await
            .unwrap();
        done(format!("failed x{name}"));
        done(format!("person {credential}"));
    }
}

#[tokio::test]
async fn no_acknowledged_commit_is_lost_to_kill_9() {
    let rounds = std::env::var("DESKGATE_STORE_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6);
    let scratch = Scratch::new();
    drop(scratch.open());
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let before = acknowledged.len();
        run_and_kill(&scratch, round, &mut acknowledged);
        assert!(acknowledged.len() > before, "round {round} was killed before it began");
        let store = scratch.open();
        verify(&store, &acknowledged).await;
    }
}

fn run_and_kill(scratch: &Scratch, round: u32, acknowledged: &mut Vec<String>) {
    let test = module_path!().split_once("::").unwrap().1.to_owned() + "::killed_child";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(CHILD, format!("{round} {}", scratch.dir().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    // Somewhere between the first acknowledgement and a quarter of a second later.
    let mut delay = None;
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let (Some(ack), true) = (line.strip_prefix("ack "), line.ends_with('\n')) {
            acknowledged.push(ack.trim().to_owned());
            let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), round) % 250;
            let until = *delay.get_or_insert_with(|| Instant::now() + Duration::from_millis(random));
            if Instant::now() >= until {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
}

async fn verify(store: &EmbeddedStore, acknowledged: &[String]) {
    let mut failures = std::collections::HashMap::<&str, usize>::new();
    for line in acknowledged {
        let (what, name) = line.split_once(' ').unwrap();
        match what {
            // What came after it may have been written and not acknowledged.
            "live" => assert!(is_live(store, name).await || is_ended(store, name).await, "lost {line}"),
            "ended" => assert!(is_ended(store, name).await, "lost {line}"),
            "person" => assert_eq!(known(store, name, START).await.last_sign_in, Some(START), "lost {line}"),
            "failed" => *failures.entry(name).or_default() += 1,
            other => panic!("{other}?"),
        }
    }
    for (name, count) in failures {
        let found = known(store, name, START).await.account_failures;
        assert!(usize::try_from(found).unwrap() >= count.min(FAILURES_COUNTED), "lost failures of {name}");
    }
}
