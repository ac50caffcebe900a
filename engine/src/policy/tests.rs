//! Policies as files, their digests, and what is refused.

use super::*;
use alloy_primitives::U256;

const GUIDE: &str = BUILT_IN[0].1;

/// The error of `guide` with one line replaced (or added, where no line has the key).
fn error_of(key: &str, line: &str) -> String {
    let mut text: Vec<&str> = GUIDE.lines().filter(|old| !old.starts_with(key)).collect();
    text.push(line);
    match Policy::from_toml(&text.join("\n")) {
        Ok(policy) => panic!("{line} is accepted: {policy:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_built_in_policy_is_valid_and_named_like_its_key() {
    for (name, text) in BUILT_IN {
        let policy = Policy::from_toml(text).expect("valid");
        assert_eq!(policy.name(), name);
        let versioned = alloc::format!("{name}@{}", policy.version());
        assert_eq!(Policy::built_in(&versioned), Some(policy.clone()));
        assert_eq!(Policy::built_in(name), Some(policy));
    }
    for none in ["nonesuch", "", "@1", "guide@", "guide@2", "guide@01", "guide@1@1", "locking-pool@3"] {
        assert_eq!(Policy::built_in(none), None, "{none}");
    }
}

#[test]
fn every_earlier_version_is_valid_named_by_its_version_and_earlier() {
    for (name, text) in BUILT_IN_EARLIER {
        let policy = Policy::from_toml(text).expect("valid");
        assert_eq!(alloc::format!("{}@{}", policy.name(), policy.version()), name);
        let latest = Policy::built_in(policy.name()).expect("there is a latest version");
        assert!(policy.version() < latest.version());
        assert_eq!(Policy::built_in(name), Some(policy));
    }
}

#[test]
fn published_versions_never_change() {
    let published = [
        ("guide@1", "0x1263666868df45178a1e0e66f7d8e7f263ee926e8548de209c1491b02108a24c"),
        ("stake-weighted@1", "0x7dff13348738b7e0601cbb1d6a9fe2759afd79e83cc4aa4c409da8aa3bc91e2b"),
        ("locking-pool@1", "0x66caa0e506d5c1349184118798a26bce3ccb9da736d3724e48c2980706d47782"),
        ("locking-pool@2", "0x6c98f70e66341e0ae7110fbc306b3deb4528758c5e256e02ac3b2838074cdc90"),
        ("operators@1", "0x3ce9f088c1c66aafc6a07d12f4fa6cf95947ac10c9a7ef871e115c0c7c97bf47"),
        ("fixed-reward@1", "0x02047cd8fdf2986ea397b80792c09ba72f2f1ce9f78bcb40fd7217fd2c889c4f"),
    ];
    assert_eq!(published.len(), BUILT_IN.len() + BUILT_IN_EARLIER.len(), "none is left out");
    for (name, digest) in published {
        assert_eq!(Policy::built_in(name).expect("valid").digest().to_string(), digest, "{name}");
    }
}

#[test]
fn only_what_the_contract_pays_begins_with_the_first_payable_block() {
    let expected = "`genesis` is \"first-payable\", but has to be \"first-lock\" or a unix time: what a batch can \
                    pay matters to the allocation \"on-chain\" alone";
    assert_eq!(error_of("genesis", "genesis = \"first-payable\""), expected);
    let pool = Policy::built_in("locking-pool").expect("valid");
    assert_eq!(pool.genesis(), Genesis::FirstPayable);
    let variant = pool.variant(None, pool.cap(), Allocation::Flat).expect("valid");
    assert_eq!(variant.genesis(), Genesis::FirstLock);
}

#[test]
fn the_digest_is_of_what_a_policy_says() {
    let guide = Policy::from_toml(GUIDE).expect("valid");
    let rewritten = GUIDE.replace("0.20", "0.2000").replace(" = ", "=");
    assert_eq!(Policy::from_toml(&rewritten).expect("valid").digest(), guide.digest());
    let other = Policy::from_toml(&GUIDE.replace("0.20", "0.21")).expect("valid");
    assert_ne!(other.digest(), guide.digest());
}

#[test]
fn a_policy_as_a_file_reads_back() {
    let dated = alloc::format!(
        "{}\n[[target_mrr_change]]\nfrom = 100\nmrr = \"0.150\"\n[[target_mrr_change]]\nfrom = 200\nmrr = \"1\"",
        GUIDE.replace("\"first-lock\"", "17").replace("\"signed\"", "\"scheduled\"")
    );
    for text in BUILT_IN.map(|(_, text)| text).iter().chain([&dated.as_str()]) {
        let policy = Policy::from_toml(text).expect("valid");
        let written = policy.to_toml();
        let read = Policy::from_toml(&written).expect("valid");
        assert_eq!((&read, read.digest()), (&policy, policy.digest()));
        assert_eq!(read.to_toml(), written);
    }
    let expected = "initial_reward_wei = \"761000000000000\"\ntarget_mrr = \"0.2\"\n\n\
                    [[target_mrr_change]]\nfrom = 100\nmrr = \"0.15\"\n\n\
                    [[target_mrr_change]]\nfrom = 200\nmrr = \"1\"\n";
    assert!(Policy::from_toml(&dated).expect("valid").to_toml().ends_with(expected));
}

#[test]
fn values_that_make_no_sense_are_refused_with_their_key() {
    assert_eq!(error_of("cap_wei", "cap_wei = \"0\""), "`cap_wei` is 0, but has to be more than 0");
    assert_eq!(
        error_of("cap_wei", "cap_wei = \"-1\""),
        "`cap_wei` is \"-1\", but has to be a whole number of wei, in decimal digits"
    );
    let above = alloc::format!("cap_wei = \"{}0\"", U256::MAX);
    assert!(error_of("cap_wei", &above).ends_with("has to be at most 2^256 - 1"));
    assert_eq!(
        error_of("target_mrr", "target_mrr = \"-0.2\""),
        "`target_mrr` is \"-0.2\", but has to be a rate of at least 0"
    );
    assert_eq!(error_of("epoch_secs", "epoch_secs = 0"), "`epoch_secs` is 0, but has to be more than 0");
    assert_eq!(error_of("epoch_secs", "epoch_secs = -5"), "`epoch_secs` is -5, but has to be more than 0");
    assert!(error_of("genesis", "genesis = \"then\"").contains("\"first-lock\" or a unix time"));
    assert!(error_of("none", "colour = \"red\"").contains("unknown field `colour`"));
    assert!(error_of("name", "# no name").contains("missing field `name`"));
    assert!(error_of("name", "name = \"A b\"").starts_with("`name` is \"A b\""));
    assert!(error_of("version", "version = 0").contains("at least 1"));
    assert!(error_of("allocation", "allocation = \"fair\"").contains("\"flat\""));
    assert!(error_of("allocation", "allocation = \"on-chain\"").contains("counts by schedule"));
    let change = "[[target_mrr_change]]\nfrom = 0\nmrr = \"0.1\"";
    assert!(error_of("none", change).contains("later than the change before it"));
    assert!(matches!(Policy::from_toml(&"#".repeat(POLICY_BYTES_MAX + 1)), Err(PolicyError::TooLong { .. })));
}

#[test]
fn a_rate_is_an_exact_fraction() {
    let parse = |text| Mrr::parse(text).map(|mrr| (mrr.numerator(), mrr.denominator(), mrr.to_string()));
    let ten = |power: u64| U256::from(10_u64).pow(U256::from(power));
    assert_eq!(parse("0.20"), Ok((2, ten(1), "0.2".into())));
    assert_eq!(parse("0.005"), Ok((5, ten(3), "0.005".into())));
    assert_eq!(parse("12"), Ok((12, ten(0), "12".into())));
    assert_eq!(parse("0"), Ok((0, ten(0), "0".into())));
    assert_eq!(
        parse("1.000000000000000001"),
        Ok((1_000_000_000_000_000_001, ten(18), "1.000000000000000001".into()))
    );
    for bad in
        ["", ".", "1.", ".5", "+1", "1e3", "0x1", "1.2.3", "0.0000000000000000001", "99999999999999999999"]
    {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_target_in_force_is_the_last_that_has_begun() {
    let text = alloc::format!(
        "{GUIDE}\n[[target_mrr_change]]\nfrom = 100\nmrr = \"0.15\"\n[[target_mrr_change]]\nfrom = 200\nmrr = \"0.1\""
    );
    let policy = Policy::from_toml(&text).expect("valid");
    let at = |secs| policy.target_at(UnixTime(secs)).to_string();
    assert_eq!([0, 99, 100, 199, 200, 9_999].map(at), ["0.2", "0.2", "0.15", "0.15", "0.1", "0.1"]);
}

#[test]
fn a_variant_says_that_it_is_one_and_has_a_digest_of_its_own() {
    let guide = Policy::built_in("guide").expect("valid");
    let (target, cap) = (Mrr::from_decimal("0.2").expect("valid"), guide.cap());
    let same = guide.variant(Some(target), cap, Allocation::Flat).expect("valid");
    assert_eq!((same.name(), same.version()), ("guide-variant", guide.version()));
    assert_ne!(same.digest(), guide.digest());
    let again = same.variant(Some(target), cap, Allocation::StakeWeighted).expect("valid");
    assert_eq!(again.name(), "guide-variant");
    assert_ne!(again.digest(), same.digest());
    assert_eq!(again.target_at(UnixTime(9_999)), target);
    let dated =
        Policy::from_toml(&alloc::format!("{GUIDE}\n[[target_mrr_change]]\nfrom = 100\nmrr = \"0.15\""));
    let kept = dated.expect("valid").variant(None, cap, Allocation::Flat).expect("valid");
    assert_eq!([99, 100].map(|secs| kept.target_at(UnixTime(secs)).to_string()), ["0.2", "0.15"]);
    assert_eq!(kept.targets().len(), 2);
    let long = GUIDE.replace("\"guide\"", &alloc::format!("{:?}", "x".repeat(64)));
    let long = Policy::from_toml(&long).expect("valid").variant(Some(target), cap, Allocation::Flat);
    assert_eq!(long.expect("valid").name().len(), 64);
    let error =
        |cap, allocation| guide.variant(Some(target), cap, allocation).expect_err("no policy").to_string();
    assert_eq!(error(Wei::ZERO, Allocation::Flat), "`cap_wei` is 0, but has to be more than 0");
    assert!(error(cap, Allocation::OnChain).contains("\"flat\" or \"stake-weighted\""));
    assert!(Mrr::from_decimal("-1").is_err());
}

/// The operators' policy with more lines at its end: tables, or keys of the last table.
fn operators_with(lines: &str) -> Result<Policy, String> {
    let text = alloc::format!("{}{lines}", Policy::built_in("operators").expect("valid").to_toml());
    Policy::from_toml(&text).map_err(|error| error.to_string())
}

#[test]
fn the_operators_enter_what_is_in_force() {
    let policy = Policy::built_in("operators").expect("valid");
    let locked = Wei::new(U256::from(5));
    for (time, percent, secs) in [
        (0, 20, 2),
        (1_719_826_978, 20, 2),
        (1_719_826_979, 20, 5),
        (1_753_724_531, 20, 8),
        (1_759_276_800, 15, 8),
        (1_767_225_600, 10, 8),
    ] {
        let entered = policy.operators_rate_at(UnixTime(time), locked).expect("it is set by the formula");
        assert_eq!(entered, OperatorsRate { total_locked: locked, percent, block_secs: secs }, "{time}");
    }
    assert_eq!(Policy::built_in("guide").expect("valid").operators_rate_at(UnixTime(0), locked), None);
    let approximate: Vec<bool> = policy.targets().iter().map(|target| target.is_approximate).collect();
    assert_eq!(approximate, [false, true, true]);
    assert_eq!(policy.cap(), Policy::NO_CAP);
    let fixed = Policy::built_in("fixed-reward").expect("valid");
    assert_eq!(fixed.fixed_reward_at(UnixTime(1_759_830_989)), None);
    let reward = fixed.fixed_reward_at(UnixTime(1_759_830_990)).expect("it is fixed");
    assert_eq!(reward.to_string(), "12478422370000000");
}

/// However "no cap" is written, no policy that shares by stakes has it.
#[test]
fn no_cap_is_never_that_of_stakes() {
    let stake_weighted = Policy::built_in("stake-weighted").expect("valid");
    let cap = alloc::format!("\"{}\"", stake_weighted.cap());
    for none in ["\"none\"".to_string(), alloc::format!("\"{}\"", Policy::NO_CAP)] {
        let text = stake_weighted.to_toml().replace(&cap, &none);
        let error = Policy::from_toml(&text).expect_err(&none).to_string();
        assert!(error.contains("`cap_wei` is \"none\"") && error.contains("a number of wei"), "{error}");
    }
    let error = stake_weighted.variant(None, Policy::NO_CAP, Allocation::StakeWeighted).expect_err("no cap");
    assert!(error.to_string().contains("`cap_wei` is \"none\""), "{error}");
    assert!(stake_weighted.variant(None, Policy::NO_CAP, Allocation::Flat).is_ok());
    let error = Policy::built_in("fixed-reward").expect("valid").variant(
        None,
        Wei::new(U256::from(5)),
        Allocation::Flat,
    );
    assert!(error.expect_err("it has other rules").to_string().contains("`rate` is \"operators\""));
}

#[test]
fn what_the_operators_do_not_enter_is_refused_with_its_key() {
    let refused = |lines: &str, expected: &str| {
        let error = operators_with(lines).expect_err(lines);
        assert!(error.contains(expected), "{lines}: {error}");
    };
    let target = |mrr: &str| alloc::format!("[[target_mrr_change]]\nfrom = 1800000000\nmrr = \"{mrr}\"\n");
    assert!(operators_with(&target("0.07")).is_ok() && operators_with(&target("3")).is_ok());
    refused(
        &target("0.125"),
        "`target_mrr_change.mrr` is \"0.125\", but has to be a whole percentage, as \"0.20\"",
    );
    let secs = |from: u64, secs: i64| alloc::format!("[[block_secs_change]]\nfrom = {from}\nsecs = {secs}\n");
    assert!(operators_with(&secs(1_800_000_000, 31_536_000)).is_ok());
    for odd in [0, -1, 31_536_001] {
        refused(
            &secs(1_800_000_000, odd),
            &alloc::format!("`block_secs_change.secs` is {odd}, but has to be from 1"),
        );
    }
    refused(&secs(1_753_724_531, 5), "`block_secs_change.from` is 1753724531, but has to be later");
    refused("[[fixed_reward]]\nfrom = 5\nreward_wei = \"-1\"\n", "`fixed_reward.reward_wei` is \"-1\"");
    let twice = "[[fixed_reward]]\nfrom = 0\nreward_wei = \"1\"\n".repeat(2);
    refused(&twice, "`fixed_reward.from` is 0, but has to be later than the change before it");
    refused("[[fixed_reward]]\nfrom = 5\nreward_wei = \"1\"\nexact = true\n", "unknown field `exact`");
    // What belongs to the formula is refused without it, and what belongs to one reward for all without `flat`.
    assert!(error_of("none", "rate = \"fair\"").contains("\"window\" or \"operators\""));
    assert!(error_of("none", "rate = \"operators\"").contains("`block_secs` is missing"));
    assert!(error_of("none", "block_secs = 8").contains("`block_secs` is given, but has to be left out"));
    let no_seconds = error_of("none", "[[block_secs_change]]\nfrom = 5\nsecs = 8\n");
    assert!(no_seconds.contains("`block_secs` is given, but has to be left out"), "{no_seconds}");
    let by_stake = BUILT_IN[1].1;
    for (line, key) in [
        ("rate = \"operators\"\nblock_secs = 8\n", "rate"),
        ("[[fixed_reward]]\nfrom = 5\nreward_wei = \"1\"\n", "fixed_reward"),
    ] {
        let error = Policy::from_toml(&alloc::format!("{by_stake}{line}")).expect_err(line).to_string();
        assert!(error.starts_with(&alloc::format!("`{key}` is ")) && error.contains("\"flat\""), "{error}");
    }
    let uncapped = by_stake.replace("\"100000000000000000000000\"", "\"none\"");
    let error = Policy::from_toml(&uncapped).expect_err("the cap is what is shared by").to_string();
    assert!(error.contains("`cap_wei` is \"none\""), "{error}");
    let policy = Policy::built_in("operators").expect("valid");
    let error = policy.variant(None, policy.cap(), Allocation::Flat).expect_err("no target sets its rate");
    assert!(error.to_string().starts_with("`rate` is \"operators\", but has to be \"window\""), "{error}");
    assert_eq!(
        policy.with_cap(Wei::ZERO).expect_err("no cap").to_string(),
        "`cap_wei` is 0, but has to be more than 0"
    );
}

/// A mark that a date is known only about is of what a policy says; a cap of none is the largest there is.
#[test]
fn marks_and_words_of_practice_read_back() {
    for name in ["operators", "fixed-reward"] {
        let policy = Policy::built_in(name).expect("valid");
        let written = policy.to_toml();
        let read = Policy::from_toml(&written).expect("valid");
        assert_eq!((&read, read.digest(), read.to_toml()), (&policy, policy.digest(), written.clone()));
        let sure = Policy::from_toml(&written.replacen("approximate = true\n", "", 1)).expect("valid");
        assert_ne!(sure.digest(), policy.digest());
        let largest = alloc::format!("cap_wei = \"{}\"", U256::MAX);
        assert!(written.contains(&largest), "{written}");
        let worded = Policy::from_toml(&written.replace(&largest, "cap_wei = \"none\"")).expect("valid");
        assert_eq!(worded.digest(), policy.digest());
    }
}

#[test]
fn whole_percents_are_rates_and_back() {
    for (percent, text) in
        [(0, "0"), (1, "0.01"), (10, "0.1"), (20, "0.2"), (15, "0.15"), (100, "1"), (1_230, "12.3")]
    {
        let mrr = Mrr::from_percent(percent);
        assert_eq!((mrr, mrr.whole_percent()), (Mrr::from_decimal(text).expect("a rate"), Some(percent)));
    }
    for odd in ["0.001", "0.205", "184467440737095517"] {
        assert_eq!(Mrr::from_decimal(odd).expect("a rate").whole_percent(), None, "{odd}");
    }
}
