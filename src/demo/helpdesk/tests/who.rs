//! Signing in, and who may go where.

use std::io::Result;

use super::desk::Desk;

#[tokio::test]
async fn right_and_wrong_passwords() -> Result<()> {
    let desk = Desk::start().await?;
    let wrong = desk.post("/login", "", "user=amir&password=no").await?;
    assert_eq!(wrong.status, 200);
    assert!(wrong.text().contains("Wrong user name or password"));
    assert_eq!(wrong.cookie(), "");
    let form = "user=amir&password=bluebird&next=%2Fagent%2Ftickets%2F1001";
    let right = desk.post("/login", "", form).await?;
    assert_eq!(right.status, 302);
    assert_eq!(right.header("location"), "/agent/tickets/1001");
    assert!(right.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Lax"));
    assert_eq!(right.cookie().len(), "tinydesk=".len() + 32);
    let away = "user=amir&password=bluebird&next=%2F%2Fevil.example";
    assert_eq!(desk.post("/login", "", away).await?.header("location"), "/agent/");
    Ok(())
}

#[tokio::test]
async fn each_sign_in_has_a_new_id_and_ends_the_old_one() -> Result<()> {
    let desk = Desk::start().await?;
    let first = desk.sign_in("ava").await?;
    let me = desk.get("/me", &first).await?;
    assert!(me.text().contains("\"groups\":[\"agents\"]"), "{}", me.text());
    let form = "user=ava&password=riverbank";
    let second = desk.post("/login", &first, form).await?.cookie();
    assert_ne!(first, second);
    assert_eq!(desk.get("/me", &first).await?.status, 401);
    assert_eq!(desk.get("/me", &second).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn signing_out_ends_the_session() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("mona").await?;
    let out = desk.post("/logout", &cookie, "").await?;
    assert_eq!((out.status, out.header("location")), (302, "/login"));
    assert!(out.header("set-cookie").starts_with("tinydesk=; "));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(desk.get("/agent/", &cookie).await?.status, 302);
    Ok(())
}

#[tokio::test]
async fn visitors_are_sent_to_sign_in() -> Result<()> {
    let desk = Desk::start().await?;
    let page = desk.get("/agent/search?q=a%20b", "").await?;
    assert_eq!(page.status, 302);
    assert_eq!(page.header("location"), "/login?next=/agent/search%3Fq%3Da%2520b");
    assert_eq!(page.header("set-cookie"), "");
    for path in ["/api/tickets", "/agent/queue-count", "/me"] {
        let answer = desk.get(path, "").await?;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    Ok(())
}

#[tokio::test]
async fn roles_keep_to_their_areas() -> Result<()> {
    let desk = Desk::start().await?;
    let (mona, amir, carl) = (desk.sign_in("mona").await?, desk.sign_in("amir").await?, desk.sign_in("carl").await?);
    let settings = desk.get("/admin/settings", &mona).await?;
    assert_eq!((settings.status, settings.header("x-frame-options")), (200, "DENY"));
    assert_eq!(desk.get("/admin/settings", &amir).await?.status, 403);
    assert_eq!(desk.get("/agent/", &carl).await?.status, 403);
    assert_eq!(desk.get("/portal/", &amir).await?.status, 403);
    assert_eq!(desk.get("/portal/tickets/1001", &carl).await?.status, 200);
    assert_eq!(desk.get("/portal/tickets/1002", &carl).await?.status, 404);
    assert_eq!(desk.post("/portal/tickets/1002/delete", &carl, "").await?.status, 404);
    assert_eq!(desk.get("/api/tickets/1002", &carl).await?.status, 404);
    assert_eq!(desk.get("/api/customers", &carl).await?.status, 403);
    assert_eq!(desk.get("/agent/tickets/abc", &amir).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn tokens_and_keys_open_the_api() -> Result<()> {
    let desk = Desk::start().await?;
    let body = br#"{"user":"amir","password":"bluebird"}"#;
    let json = "Content-Type: application/json";
    let login = desk.send("POST /api/login", &[json], body).await?;
    let bearer = format!("Authorization: Bearer {}", login.between("\"token\":\"", "\""));
    let phone = br#"{"phone":"+49 30 23125 999"}"#;
    let changed = desk.send("PATCH /api/tickets/1001", &[&bearer], phone).await?;
    assert!(changed.status == 200 && changed.text().contains("+49 30 23125 999"));
    let wrong = desk.send("POST /api/login", &[json], b"{}").await?;
    assert_eq!(wrong.status, 401);
    let wrong = desk.send("GET /api/tickets", &["X-API-Key: guess"], b"").await?;
    assert_eq!(wrong.status, 401);
    let bad = desk.send("PATCH /api/tickets/1001", &[&bearer], br#"{"status":"odd"}"#).await?;
    assert_eq!(bad.status, 400);
    Ok(())
}
