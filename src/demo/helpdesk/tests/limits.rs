//! What happens when there is too much, and at the end.

use std::io::Result;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::{form::Upload, limits, seed, serve, store::message};
use super::desk::Desk;

#[test]
fn the_oldest_tickets_and_files_make_room() {
    let mut store = seed::store();
    for _ in 0..limits::TICKETS {
        store.add_ticket(1, "x".into(), message("Carl", false, "y".into(), Vec::new()));
    }
    assert_eq!(store.tickets.len(), limits::TICKETS);
    assert!(store.ticket(1010).is_none() && store.ticket(1011).is_some());
    let half = Bytes::from(vec![0; limits::FILE_BYTES / 2]);
    let upload = |name: &str| vec![Upload { name: name.into(), bytes: half.clone() }];
    let tokens: Vec<_> = ["a", "b", "c"].map(|n| store.keep_files(upload(n))).concat();
    let kept: Vec<_> = tokens.iter().map(|t| store.file(t).is_some()).collect();
    assert_eq!(kept, [false, true, true]);
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("carl").await?;
    let big = "x".repeat(limits::BODY_BYTES - 1000);
    let file = "name=\"file\"; filename=\"big.txt\"";
    let parts = [("name=\"subject\"", "Big"), ("name=\"text\"", "See file"), (file, big.as_str())];
    let fits = desk.multipart("/portal/tickets", &cookie, &parts).await?;
    assert_eq!(fits.status, 302);
    let more = [parts[0], parts[1], parts[2], ("name=\"x\"", &big[..1000])];
    let refused = desk.multipart("/portal/tickets", &cookie, &more).await?;
    assert_eq!(refused.status, 413);
    Ok(())
}

#[tokio::test]
async fn serving_ends_when_told_to() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    timeout(Duration::from_secs(5), serve(listener, async {})).await?
}
