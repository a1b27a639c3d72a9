//! What people do once they are in.

use std::io::Result;

use super::desk::{Answer, Desk};

#[tokio::test]
async fn exports_are_attachments() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("amir").await?;
    for path in ["/agent/customers/export.csv", "/agent/reports/weekly?format=csv"] {
        let csv = desk.get(path, &cookie).await?;
        assert_eq!(csv.status, 200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        assert!(csv.header("content-disposition").starts_with("attachment; filename="));
        assert!(csv.text().contains("+49 30 23125 401"));
    }
    let report = desk.get("/agent/reports/weekly", &cookie).await?;
    assert_eq!(report.header("content-disposition"), "");
    Ok(())
}

#[tokio::test]
async fn whoever_has_the_link_opens_the_attachment() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("amir").await?;
    let link = |page: &Answer| format!("/files/{}", page.between("href=\"/files/", "\""));
    let picture = link(&desk.get("/agent/tickets/1001", &cookie).await?);
    let png = desk.get(&picture, "").await?;
    assert_eq!((png.status, png.header("content-type")), (200, "image/png"));
    assert!(png.header("content-disposition").starts_with("inline; "));
    assert!(png.body.starts_with(b"\x89PNG"));
    let note = link(&desk.get("/agent/tickets/1002", &cookie).await?);
    let text = desk.get(&note, "").await?;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.header("content-disposition").ends_with("UTF-8''Stra%C3%9Fe%20%28final%29.v2.txt"));
    assert!(text.text().contains("Hauptstraße"));
    desk.post("/agent/tickets/1002/delete", &cookie, "").await?;
    assert_eq!(desk.get(&note, "").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn tickets_are_deleted_in_three_ways() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("ava").await?;
    let plain = desk.post("/agent/tickets/1003", &cookie, "x=1").await?;
    assert_eq!(plain.status, 405);
    let gone = desk.post("/agent/tickets/1003", &cookie, "_method=DELETE").await?;
    assert_eq!((gone.status, gone.header("location")), (302, "/agent/"));
    assert_eq!(desk.get("/agent/tickets/1003", &cookie).await?.status, 404);
    let key = format!("X-API-Key: {}", super::super::ERP_KEY);
    let api = desk.send("DELETE /api/tickets/1004", &[&key], b"").await?;
    assert_eq!((api.status, api.text().as_str()), (200, "{\"deleted\":1004}"));
    desk.post("/agent/tickets/1005/delete", &cookie, "").await?;
    assert_eq!(desk.get("/agent/tickets/1005", &cookie).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn edits_keep_what_was_not_sent() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("amir").await?;
    let saved = desk.post("/agent/tickets/1001/edit", &cookie, "subject=New+name&status=closed").await?;
    assert_eq!(saved.header("location"), "/agent/tickets/1001");
    let page = desk.get("/agent/tickets/1001", &cookie).await?.text();
    for part in ["New name", "tel:+493023125401", "value=\"+49 30 23125 401\"", "mailto:carl.brandt@"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(desk.post("/agent/tickets/1001/edit", &cookie, "status=x").await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn replies_and_forwards_reach_the_outbox() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("amir").await?;
    let parts = [
        ("name=\"text\"", "On its way <b>"),
        ("name=\"cc\"", "boss@partner.example"),
        ("name=\"file\"; filename=\"C:\\a\\note.txt\"", "hello"),
    ];
    let sent = desk.multipart("/agent/tickets/1005/reply", &cookie, &parts).await?;
    assert_eq!((sent.status, sent.header("location")), (302, "/agent/tickets/1005"));
    let page = desk.get("/agent/tickets/1005", &cookie).await?.text();
    assert!(page.contains("On its way &lt;b&gt;") && page.contains("/note.txt\""));
    let to = "to=legal%40counsel.example&note=please&details=yes";
    assert_eq!(desk.post("/agent/tickets/1001/forward", &cookie, to).await?.status, 302);
    assert_eq!(desk.post("/agent/tickets/1001/forward", &cookie, "to=nobody").await?.status, 400);
    let outbox = desk.get("/outbox", &cookie).await?.text();
    for part in ["boss@partner.example", "legal@counsel.example", "Phone: +49 30 23125 401"] {
        assert!(outbox.contains(part), "{part}");
    }
    Ok(())
}

#[tokio::test]
async fn customers_write_tickets_and_delete_their_own() -> Result<()> {
    let desk = Desk::start().await?;
    let cookie = desk.sign_in("clara").await?;
    let parts =
        [("name=\"subject\"", "Broken chair"), ("name=\"text\"", "It squeaks."), ("name=\"file\"; filename=\"\"", "")];
    let made = desk.multipart("/portal/tickets", &cookie, &parts).await?;
    assert_eq!((made.status, made.header("location")), (302, "/portal/tickets/1011"));
    let again = desk.multipart("/portal/tickets/1011/reply", &cookie, &parts[1..]).await?;
    assert_eq!(again.status, 302);
    let gone = desk.post("/portal/tickets/1011/delete", &cookie, "").await?;
    assert_eq!(gone.header("location"), "/portal/");
    assert_eq!(desk.get("/portal/tickets/1011", &cookie).await?.status, 404);
    Ok(())
}
