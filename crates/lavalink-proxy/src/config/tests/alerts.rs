//! `[alerts]`, `[usage]` and quotas: defaults, what reaches the program, and what is said of mistakes.

use proxy_admin::WebhookKind;
use proxy_core::alerts::{AlertSettings, Rule, Severity};

use super::*;

#[test]
fn the_defaults_of_the_file_are_those_of_the_core() {
    let config = read(MINIMAL, &[]).unwrap();
    let alerts = config.alerts.unwrap();
    assert_eq!(alerts.settings, AlertSettings::default());
    assert!(alerts.webhooks.is_empty() && alerts.quotas.is_empty() && alerts.private_targets && !alerts.full_addresses);
    assert_eq!(config.levels, proxy_core::levels::Levels::default());
    let off = read(&format!("[alerts]\nenabled = false\n{MINIMAL}"), &[]).unwrap();
    assert!(off.alerts.is_none());
}

#[test]
fn every_rule_has_a_section_and_every_section_is_a_rule() {
    let timings = file::alerts::Rules::default().timings();
    let names: Vec<_> = timings.iter().map(|timing| timing.0).collect();
    assert_eq!(names, Rule::ALL.map(Rule::name));
}

#[test]
fn what_is_written_reaches_the_program() {
    let text = format!(
        "[usage]\nlevels = [\"1KB/s\", \"2KB/s\", \"3GB/s\"]\n\
         [alerts]\nrepeat = \"4h\"\nfull_addresses = true\n\
         [alerts.rules.ip_rate]\nabove = \"2MB/s\"\nraise_after = \"10s\"\n\
         [alerts.rules.node_down]\nenabled = false\n\
         [[alerts.webhooks]]\nurl = \"https://discord.com/api/webhooks/1/hidden\"\n\
         [[alerts.webhooks]]\nkind = \"json\"\nurl = \"http://10.0.0.1/x\"\nsecret = \"hidden\"\n\
         severities = [\"critical\"]\nrules = [\"no_node\"]\n{}",
        MINIMAL.replace("[[tenants]]", "[[tenants]]\nquota = \"500GB\"")
    );
    let environment = [("LAVALINK_PROXY__ALERTS__WEBHOOKS__0__NAME", "chat")];
    let config = read(&text, &environment).unwrap();
    assert_eq!(config.levels.level(2500.0).name(), "high");
    let alerts = config.alerts.unwrap();
    assert_eq!(alerts.settings.bounds.ip_rate, 2e6);
    assert_eq!(alerts.settings.timing(Rule::IpRate).raise_after.as_secs(), 10);
    assert!(!alerts.settings.timing(Rule::NodeDown).enabled);
    assert_eq!(alerts.settings.repeat.unwrap().as_secs(), 4 * 3600);
    assert_eq!(alerts.quotas, [("default".into(), 500_000_000_000)]);
    let [chat, json] = &alerts.webhooks[..] else {
        panic!("{alerts:?}")
    };
    assert_eq!(
        (&*chat.name, chat.kind, &*json.name),
        ("chat", WebhookKind::Discord, "json-2")
    );
    assert_eq!(
        (&json.severities[..], &json.rules[..]),
        (&[Severity::Critical][..], &[Rule::NoNode][..])
    );
    assert!(!format!("{alerts:?}").contains("hidden"));
}

#[test]
fn mistakes_are_named_without_the_url() {
    let cases = [
        (
            "[usage]\nlevels = [\"1KB/s\"]",
            "usage.levels: expected three rates that rise",
        ),
        (
            "[usage]\nlevels = [\"1KB/s\", \"1MB\", \"2MB/s\"]",
            "usage.levels: expected a rate with its unit",
        ),
        ("[alerts]\nrepeat = \"5s\"", "alerts.repeat: expected at least 60s"),
        (
            "[alerts.rules.ip_rate]\nabove = \"0B/s\"",
            "alerts.rules.ip_rate.above: expected a rate above zero",
        ),
        (
            "[alerts.rules.tenant_quota]\npercent = 101",
            "alerts.rules.tenant_quota.percent: expected at least 1 and at most 100",
        ),
        (
            "[alerts.rules.ip_rte]\nabove = \"1MB/s\"",
            "alerts.rules.ip_rte: unknown key, did you mean `ip_rate`?",
        ),
        (
            "[[alerts.webhooks]]\nkind = \"json\"",
            "alerts.webhooks[0].url: missing; expected url or url_file",
        ),
        (
            "[[alerts.webhooks]]\nurl = \"ftp://x/hidden\"",
            "alerts.webhooks[0].url: expected a URL that begins with https://",
        ),
        (
            "[[alerts.webhooks]]\nurl = \"hidden\"",
            "alerts.webhooks[0].url: expected a URL that begins with https://",
        ),
        (
            "[alerts]\nprivate_targets = false\n[[alerts.webhooks]]\nurl = \"http://[::1]/hidden\"",
            "alerts.webhooks[0].url: has a private address, and alerts.private_targets is false",
        ),
        (
            "[[alerts.webhooks]]\nname = \"log\"\nurl = \"http://x/hidden\"",
            "alerts.webhooks[0].name: expected a name of its own, `log` is taken",
        ),
        (
            "[[alerts.webhooks]]\nurl = \"http://x/hidden\"\nrules = [\"node_don\"]",
            "alerts.webhooks[0].rules: there is no rule `node_don`, did you mean `node_down`?",
        ),
        (
            "[[alerts.webhooks]]\nurl = \"http://x/hidden\"\nseverities = [\"bad\"]",
            "alerts.webhooks[0].severities: unknown variant `bad`, expected `warning` or `critical`",
        ),
    ];
    for (text, expected) in cases {
        let said = mistakes(read(&format!("{text}\n{MINIMAL}"), &[]));
        assert!(said.len() == 1 && said[0].contains(expected), "{text}: {said:#?}");
        assert!(!said[0].contains("hidden"), "{said:#?}");
    }
}
