//! The dashboard's files as a browser gets them. What they do is tested in a browser, in `dashboard/tests`.

use http::Method;
use proxy_testkit::client::Rest;

use crate::rig::Rig;

#[tokio::test]
async fn the_page_is_open_holds_no_figures_and_allows_only_its_own_files() {
    let rig = Rig::start().await;
    let stranger = Rest::to(&format!("http://{}", rig.admin.address()), None).unwrap();
    let page = stranger.get("/").await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.text().contains("<title>Lavalink Proxy</title>"), "{}", page.text());
    assert!(!page.text().contains("v4-node"), "{}", page.text());
    rig.stop().await;
}

#[tokio::test]
async fn files_are_cached_as_long_as_they_are_the_same() {
    let rig = Rig::start().await;
    let page = rig.get("/").await;
    let tag = page.header("etag").unwrap().to_owned();
    let again = rig.request(Method::GET, "/", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text().len()), (304, 0));
    let other = rig.request(Method::GET, "/", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status, other.header("etag")), (200, Some(tag.as_str())));
    // Without a built dashboard there are none.
    for asset in page.text().split("\"./").filter(|rest| rest.starts_with("assets/")) {
        let path = format!("/{}", asset.split('"').next().unwrap());
        let plain = rig.get(&path).await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert!(plain.header("cache-control").unwrap().contains("immutable"), "{path}");
        let packed = rig
            .request(Method::GET, &path, &[("accept-encoding", "gzip, br")])
            .await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
        assert!(packed.body.len() < plain.body.len(), "{path}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn people_with_an_old_address_come_to_the_page_and_programs_get_a_refusal() {
    let rig = Rig::start().await;
    let stranger = Rest::to(&format!("http://{}", rig.admin.address()), None).unwrap();
    assert_eq!(stranger.get("/assets/none.js").await.unwrap().status, 404);
    assert_eq!(stranger.get("/nodes/eu-1").await.unwrap().status, 401);
    let person = rig
        .request(Method::GET, "/nodes/eu-1", &[("accept", "text/html")])
        .await;
    assert_eq!((person.status, person.header("location")), (303, Some("./../")));
    rig.stop().await;
}
