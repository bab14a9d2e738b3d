//! Alerts, tokens, logins and passwords.

use proxy_store::{AlertChange, Login};

use crate::rig::{DAY, HOUR, Rig, START};

fn change(text: &str, at: i64, cleared: bool) -> AlertChange {
    AlertChange {
        rule: "ip_rate".to_owned(),
        subject: "10.0.0.1".to_owned(),
        severity: "warning".to_owned(),
        text: text.to_owned(),
        value: Some(2.5),
        threshold: Some(1.0),
        at,
        cleared,
    }
}

#[test]
fn an_alert_is_one_from_raised_to_cleared_and_a_new_one_after() {
    let mut rig = Rig::new();
    assert_eq!(
        rig.store.change_alert(change("over", START, true)).wait().unwrap(),
        None
    );
    let raised = rig
        .store
        .change_alert(change("much", START, false))
        .wait()
        .unwrap()
        .unwrap();
    let updated = rig
        .store
        .change_alert(change("more", START + 5, false))
        .wait()
        .unwrap()
        .unwrap();
    assert_eq!(
        (updated.id, updated.raised, updated.updated),
        (raised.id, START, START + 5)
    );
    assert_eq!(updated.text, "more");
    rig.reopen();
    assert_eq!(rig.store.alerts(true, None, 10).unwrap(), [updated]);
    let cleared = rig
        .store
        .change_alert(change("over", START + 9, true))
        .wait()
        .unwrap()
        .unwrap();
    assert_eq!(cleared.cleared, Some(START + 9));
    assert!(rig.store.alerts(true, None, 10).unwrap().is_empty());
    let again = rig
        .store
        .change_alert(change("again", START + 10, false))
        .wait()
        .unwrap()
        .unwrap();
    assert!(again.id > cleared.id);
    let ids = |before| -> Vec<_> {
        let alerts = rig.store.alerts(false, before, 10).unwrap();
        alerts.iter().map(|alert| alert.id).collect()
    };
    assert_eq!(ids(None), [again.id, cleared.id]);
    assert_eq!(ids(Some(again.id)), [cleared.id]);
}

#[test]
fn who_acknowledged_an_alert_first_stays() {
    let rig = Rig::new();
    let alert = rig
        .store
        .change_alert(change("much", START, false))
        .wait()
        .unwrap()
        .unwrap();
    for (who, at) in [("admin", START + 1), ("script", START + 2)] {
        let after = rig
            .store
            .acknowledge_alert(alert.id, who.to_owned(), at)
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!(after.acknowledged_by.as_deref(), Some("admin"));
        assert_eq!(after.acknowledged, Some(START + 1));
    }
    assert_eq!(
        rig.store
            .acknowledge_alert(99, "admin".to_owned(), START)
            .wait()
            .unwrap(),
        None
    );
    let worse = AlertChange {
        severity: "critical".to_owned(),
        ..change("more", START + 3, false)
    };
    let worse = rig.store.change_alert(worse).wait().unwrap().unwrap();
    assert_eq!(
        (worse.id, worse.acknowledged, worse.acknowledged_by),
        (alert.id, None, None)
    );
}

#[test]
fn alerts_that_are_long_over_are_deleted_and_open_ones_never() {
    let rig = Rig::new();
    let open = AlertChange {
        subject: "10.0.0.2".to_owned(),
        ..change("still", START, false)
    };
    rig.store.change_alert(open).wait().unwrap();
    rig.store.change_alert(change("much", START, false)).wait().unwrap();
    rig.store.change_alert(change("over", START, true)).wait().unwrap();
    rig.pass(91 * DAY);
    let left = rig.store.alerts(false, None, 10).unwrap();
    assert_eq!(
        left.iter().map(|alert| alert.subject.as_str()).collect::<Vec<_>>(),
        ["10.0.0.2"]
    );
}

#[test]
fn a_token_is_found_by_its_hash_until_it_is_deleted() {
    let mut rig = Rig::new();
    let scopes = vec!["read".to_owned(), "metrics".to_owned()];
    let add = |name: &str, hash| {
        rig.store
            .add_token(name.to_owned(), hash, scopes.clone(), START, Some(START + DAY))
    };
    let token = add("grafana", [1; 32]).wait().unwrap().unwrap();
    assert_eq!(add("grafana", [2; 32]).wait().unwrap(), None, "the name is taken");
    rig.store.touch_token(token.id, START + 7).wait().unwrap();
    rig.reopen();
    let found = rig.store.token_by_hash(&[1; 32]).unwrap().unwrap();
    assert_eq!(
        (found.scopes, found.last_used, found.expires),
        (scopes, Some(START + 7), Some(START + DAY))
    );
    assert_eq!(rig.store.tokens().unwrap().len(), 1);
    assert!(rig.store.delete_token(token.id).wait().unwrap());
    assert!(!rig.store.delete_token(token.id).wait().unwrap());
    assert_eq!(rig.store.token_by_hash(&[1; 32]).unwrap(), None);
}

#[test]
fn logins_outlive_the_program_and_end_when_they_are_over() {
    let mut rig = Rig::new();
    let login = |hash, expires| Login {
        hash,
        user: "admin".to_owned(),
        role: "admin".to_owned(),
        created: START,
        seen: START,
        expires,
    };
    for (hash, expires) in [([1; 32], START + HOUR), ([2; 32], START + HOUR), ([3; 32], START + DAY)] {
        rig.store.add_login(login(hash, expires)).wait().unwrap();
    }
    rig.reopen();
    rig.store.touch_login([2; 32], START + 5, START + DAY).wait().unwrap();
    rig.pass(2 * HOUR);
    assert_eq!(rig.store.login(&[1; 32]).unwrap(), None);
    assert_eq!(rig.store.login(&[2; 32]).unwrap().unwrap().seen, START + 5);
    assert!(rig.store.delete_login([2; 32]).wait().unwrap());
    assert_eq!(rig.store.logins().unwrap().len(), 1);
    assert_eq!(rig.store.delete_logins_of("admin".to_owned()).wait().unwrap(), 1);
    assert!(rig.store.logins().unwrap().is_empty());
}

#[test]
fn the_hash_of_a_generated_password_is_kept() {
    let mut rig = Rig::new();
    assert_eq!(rig.store.password_hash("admin").unwrap(), None);
    for phc in ["$argon2id$first", "$argon2id$second"] {
        rig.store
            .set_password_hash("admin".to_owned(), phc.to_owned(), START)
            .wait()
            .unwrap();
    }
    rig.reopen();
    assert_eq!(
        rig.store.password_hash("admin").unwrap().as_deref(),
        Some("$argon2id$second")
    );
}
