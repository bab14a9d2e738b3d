//! What outlives the program, and what does not.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use axum::http::HeaderValue;
use proxy_core::throttle::ThrottleSettings;
use proxy_store::Settings;

use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn store(folder: &Path) -> Store {
    Store::open(folder.join("store.db"), Settings::default()).unwrap()
}

/// As the program starts it: not on a runtime.
async fn start(admin: Option<&str>, viewer: Option<&str>, store: Option<Store>) -> (Login, Option<Secret>) {
    let config = LoginConfig {
        password: admin.map(Secret::new),
        viewer_password: viewer.map(Secret::new),
        secure: SecureCookie::Auto,
        timeout: Duration::from_secs(3600),
        store,
    };
    tokio::task::spawn_blocking(|| Login::new(config))
        .await
        .unwrap()
        .unwrap()
}

fn with_cookie(value: &Secret) -> HeaderMap {
    let value = format!("lavalink_proxy={}", value.expose());
    HeaderMap::from_iter([(header::COOKIE, value.parse::<HeaderValue>().unwrap())])
}

fn authorization(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, value.parse::<HeaderValue>().unwrap())])
}

async fn log_in(login: &Login, user: &str, password: &str) -> Result<Secret, LogInError> {
    let (password, headers) = (Secret::new(password), HeaderMap::new());
    let begun = login.log_in(user, &password, &headers, PEER).await;
    begun.map(|(_, value)| value)
}

#[tokio::test]
async fn login_sessions_and_tokens_outlive_the_program_and_a_changed_password_ends_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (login, made) = start(Some("first"), Some("look"), Some(store(folder.path()))).await;
    assert!(made.is_none());
    let admin = log_in(&login, "admin", "first").await.unwrap();
    let viewer = log_in(&login, "viewer", "look").await.unwrap();
    let ended = log_in(&login, "admin", "first").await.unwrap();
    login.log_out(&with_cookie(&ended)).await.unwrap();
    let scopes = [access::Scope::Metrics].into_iter().collect();
    let (_, token) = login.add_token("scraper".to_owned(), scopes, None).await.unwrap();
    drop(login);

    let (login, _) = start(Some("first"), Some("look"), Some(store(folder.path()))).await;
    assert_eq!(&*login.who(&with_cookie(&admin), PEER).await.unwrap().user, "admin");
    assert_eq!(
        login.who(&with_cookie(&viewer), PEER).await.unwrap().role(),
        Role::Viewer
    );
    assert_eq!(
        login.who(&with_cookie(&ended), PEER).await.unwrap_err(),
        Refused::Missing
    );
    let bearer = authorization(&format!("Bearer {}", token.expose()));
    let scraper = login.who(&bearer, PEER).await.unwrap();
    assert_eq!((&*scraper.user, scraper.scopes), ("scraper", scopes));
    drop(login);

    let (login, _) = start(Some("second"), None, Some(store(folder.path()))).await;
    assert!(
        login.who(&with_cookie(&admin), PEER).await.is_err(),
        "the password changed"
    );
    assert!(
        login.who(&with_cookie(&viewer), PEER).await.is_err(),
        "there is no viewer"
    );
    assert!(login.who(&bearer, PEER).await.is_ok());
    let id = login.tokens()[0].id;
    assert!(login.revoke_token(id).await.unwrap() && !login.revoke_token(id).await.unwrap());
    assert_eq!(login.who(&bearer, PEER).await.unwrap_err(), Refused::Wrong);
    drop(login);

    let (login, _) = start(Some("second"), None, Some(store(folder.path()))).await;
    assert!(login.who(&bearer, PEER).await.is_err() && login.tokens().is_empty());
}

#[tokio::test]
async fn a_password_is_made_once_and_its_hash_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (login, made) = start(None, None, Some(store(folder.path()))).await;
    let made = made.unwrap();
    assert_eq!(made.expose().len(), 20);
    log_in(&login, "admin", made.expose()).await.unwrap();
    drop(login);
    let (login, again) = start(None, None, Some(store(folder.path()))).await;
    assert!(again.is_none());
    log_in(&login, "admin", made.expose()).await.unwrap();
    drop(login);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes
            .windows(made.expose().len())
            .any(|part| part == made.expose().as_bytes());
        assert!(!found, "the store keeps no password");
    }
    let (_, first) = start(None, None, None).await;
    let (_, second) = start(None, None, None).await;
    assert_ne!(first.unwrap(), second.unwrap(), "without a store each start makes one");
}

#[tokio::test]
async fn a_hash_is_as_good_as_the_password_in_the_settings_and_worth_nothing_at_the_door() {
    let hash = password::hash(&Secret::new("secret")).unwrap();
    let (login, _) = start(Some(hash.expose()), None, None).await;
    assert!(log_in(&login, "admin", hash.expose()).await.is_err());
    log_in(&login, "admin", "secret").await.unwrap();
}

#[tokio::test]
async fn credentials_of_every_kind_and_shape() {
    let (login, _) = start(Some("pass:word"), Some("look"), None).await;
    let scopes = [access::Scope::Read].into_iter().collect();
    let ends = SystemTime::now() + Duration::from_secs(3600);
    let (_, token) = login.add_token("t".to_owned(), scopes, Some(ends)).await.unwrap();
    let (_, late) = login
        .add_token("late".to_owned(), scopes, Some(SystemTime::now()))
        .await
        .unwrap();
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let rows = [
        (basic("admin:pass:word"), true),
        (format!("basic  {}", STANDARD.encode("admin:pass:word")), true),
        (basic("viewer:look"), true),
        (basic("viewer:pass:word"), false),
        (basic("admin:pass:wor"), false),
        (basic("admin"), false),
        (basic(":pass:word"), false),
        ("pass:word".to_owned(), false),
        ("Basic".to_owned(), false),
        ("Basic ???".to_owned(), false),
        (format!("Bearer {}", token.expose()), true),
        (format!("bearer {}", token.expose()), true),
        (format!("Bearer {}", late.expose()), false),
        (format!("Bearer {}x", token.expose()), false),
        (format!("Bearer {}", STANDARD.encode("admin:pass:word")), false),
        ("Bearer ".to_owned(), false),
        (basic(&format!("admin:{}", token.expose())), false),
    ];
    for (value, right) in rows {
        // Each row for itself: throttling has tests of its own.
        *lock(&login.throttle) = Throttle::new(ThrottleSettings::default());
        let who = login.who(&authorization(&value), PEER).await;
        assert_eq!(who.is_ok(), right, "{value}: {who:?}");
        assert!(right || who.unwrap_err() == Refused::Wrong, "{value}");
    }
    assert_eq!(login.who(&HeaderMap::new(), PEER).await.unwrap_err(), Refused::Missing);
}

#[tokio::test]
async fn what_was_right_before_is_not_held_up_by_what_is_wrong_now() {
    let (login, _) = start(Some("secret"), None, None).await;
    let basic = |password: &str| authorization(&format!("Basic {}", STANDARD.encode(format!("admin:{password}"))));
    login.who(&basic("secret"), PEER).await.unwrap();
    let cookie = log_in(&login, "admin", "secret").await.unwrap();
    let refused = loop {
        match login.who(&basic("guess"), PEER).await.unwrap_err() {
            Refused::Wrong => {}
            other => break other,
        }
    };
    assert!(matches!(refused, Refused::Later(_)), "{refused:?}");
    login.who(&basic("secret"), PEER).await.unwrap();
    login.who(&with_cookie(&cookie), PEER).await.unwrap();
    assert!(matches!(
        log_in(&login, "viewer", "x").await.unwrap_err(),
        LogInError::Refused(Refused::Later(_))
    ));
}

#[tokio::test]
async fn tokens_have_names_of_their_own_and_a_bound() {
    let (login, _) = start(Some("secret"), None, None).await;
    let scopes = [access::Scope::Read].into_iter().collect();
    for number in 0..tokens::MOST {
        login.add_token(number.to_string(), scopes, None).await.unwrap();
        if number == 0 {
            let taken = login.add_token("0".to_owned(), scopes, None).await;
            assert!(matches!(taken, Err(AddTokenError::NameTaken)));
        }
    }
    assert!(matches!(
        login.add_token("more".to_owned(), scopes, None).await,
        Err(AddTokenError::Full)
    ));
}
