//! Bundles that somebody tampered with: an error each time, never a panic, and no memory for what only a length
//! claims.

use super::{
    HEADS, L1_EVENTS, MAGIC, NAMES, RECEIPT, assemble, audit, blobs, bundle_of, entry, fixture_bundle,
    open_error, resealed, section_of, sections, with_table,
};
use crate::support::times;
use engine::Policy;
use tally_eventlog::{Archive, Heads, Links, LogView, decode_l1};
use tally_replay::{Receipt, ReceiptLog, ReplayOptions, replay};

#[test]
fn no_byte_of_a_bundle_can_be_changed() {
    let bundle = fixture_bundle();
    assert!(Archive::from_bytes(bundle.clone()).is_ok());
    for at in 0..bundle.len() {
        for mask in [0x01, 0x80] {
            let mut changed = bundle.clone();
            changed[at] ^= mask;
            open_error(changed);
        }
    }
}

#[test]
fn no_bundle_is_one_when_it_is_cut_or_goes_on() {
    let bundle = fixture_bundle();
    for len in 0..bundle.len() {
        open_error(bundle[..len].to_vec());
    }
    open_error([&bundle[..], b"\0"].concat());
    open_error([b"\0", &bundle[..]].concat());
    let cut = |len: usize| open_error(bundle[..len].to_vec()).to_string();
    assert_eq!(cut(0), "it is no bundle: it begins with \"\"");
    assert_eq!(cut(100), "the bundle is cut: it has 100 bytes, and none has fewer than 495");
    assert!(cut(bundle.len() - 1).contains("it is cut, or was changed"));
}

/// The digests are right, and the lengths are not.
#[test]
fn a_length_that_lies_is_an_error_and_no_memory() {
    let parts = sections(&fixture_bundle());
    let entries: Vec<Vec<u8>> = NAMES.into_iter().zip(&parts).map(|(name, part)| entry(name, part)).collect();
    let with_len = |section: usize, len: u64| {
        let mut entries = entries.clone();
        entries[section][16..24].copy_from_slice(&len.to_be_bytes());
        open_error(with_table(&parts, &entries.concat())).to_string()
    };
    for (at, name) in NAMES.into_iter().enumerate() {
        for len in [u64::MAX, u64::MAX - 40_000, 1 << 40, 100_000] {
            let error = with_len(at, len);
            assert!(
                error.starts_with(&format!("the bundle is damaged at the section {name}: length is {len}")),
                "{error}"
            );
        }
        let len = u64::try_from(parts[at].len()).unwrap();
        assert!(with_len(at, len - 1).contains(&format!("the section {name}: digest")));
    }
    // All right, but something follows.
    let mut long = parts.clone();
    long.push(b"more".to_vec());
    let error = open_error(with_table(&long, &entries.concat())).to_string();
    assert!(error.contains("last byte of the sections is "), "{error}");
    // Within a section.
    for (section, name) in
        NAMES.into_iter().enumerate().skip(L1_EVENTS).filter(|(_, name)| *name != "signers")
    {
        for len in [u32::MAX, 1 << 30, 0, 1] {
            let mut parts = parts.clone();
            parts[section][..4].copy_from_slice(&len.to_be_bytes());
            let error = open_error(assemble(&parts)).to_string();
            assert!(error.contains(name) || error.contains("l2_chunks"), "{error}");
        }
        let mut parts = parts.clone();
        parts[section].truncate(3);
        open_error(assemble(&parts));
    }
    for section in 2..NAMES.len() {
        let mut parts = parts.clone();
        parts[section].clear();
        open_error(assemble(&parts));
        parts[section] = vec![0xff; 5_000];
        open_error(assemble(&parts));
    }
}

#[test]
fn sections_have_their_names_in_their_order_each_once() {
    let parts = sections(&fixture_bundle());
    let error = |names: [&str; 8]| {
        let entries: Vec<_> = names.into_iter().zip(&parts).map(|(name, part)| entry(name, part)).collect();
        open_error(with_table(&parts, &entries.concat())).to_string()
    };
    let damaged = "the bundle is damaged at section ";
    let mut names = NAMES;
    names[3] = "../x";
    assert_eq!(error(names), format!("{damaged}4: name is \"../x\", not \"heads\""));
    names[3] = "/etc/passwd";
    assert_eq!(error(names), format!("{damaged}4: name is \"/etc/passwd\", not \"heads\""));
    names[3] = "policy";
    assert_eq!(error(names), format!("{damaged}4: name is \"policy\", not \"heads\""));
    let mut names = NAMES;
    names.swap(4, 5);
    assert_eq!(error(names), format!("{damaged}5: name is \"span_events\", not \"l1_events\""));
}

#[test]
fn what_is_in_the_sections_is_read_strictly() {
    let dir = tempfile::tempdir().unwrap();
    let parts = sections(&fixture_bundle());
    let error = |section: usize, bytes: &[u8]| {
        let mut parts = parts.clone();
        parts[section] = bytes.to_vec();
        let (status, _, err) = audit(dir.path(), &assemble(&parts), &[]);
        assert_eq!(status, 1, "{err}");
        err
    };
    let policy = |text: &str| error(0, text.as_bytes());
    let guide = Policy::built_in("guide").unwrap().to_toml();
    assert!(policy("").contains("the bundle's policy: "));
    assert!(policy(&format!("# {guide}")).contains("the bundle's policy"));
    assert!(policy(&format!("{guide}\n")).contains("is not written as Tally writes it"));
    assert!(error(0, b"\xff").contains("the bundle's policy: invalid utf-8"));
    assert!(policy(&guide.repeat(1_000)).contains("longer than the 65536 allowed"));
    assert!(error(RECEIPT, b"{}").contains("the bundle's receipt: it is no receipt: missing field `format`"));
    assert!(error(RECEIPT, b"\xff").contains("the bundle's receipt: it is no receipt"));
    // Another policy than the receipt's is found like any other difference.
    let mut other = parts.clone();
    other[0] = Policy::built_in("stake-weighted").unwrap().to_toml().into_bytes();
    let (status, out, _) = audit(dir.path(), &assemble(&other), &[]);
    assert!(
        status == 3
            && out.contains("policy.name: the receipt has \"guide\", the replay gives \"stake-weighted\""),
        "{out}"
    );
    // Two records that change places: where the contracts' state takes them, their order is wrong.
    let records = blobs(&parts[L1_EVENTS]);
    let mut out_of_order = 0;
    for at in 1..records.len() {
        let mut records = records.clone();
        records.swap(at - 1, at);
        let mut parts = parts.clone();
        parts[L1_EVENTS] = section_of(&records);
        let error = open_error(assemble(&parts)).to_string();
        out_of_order += usize::from(error.contains("block and log index is "));
    }
    assert!(out_of_order > 50, "{out_of_order}");
}

/// A generator of numbers that differ from run to run only if the seed does.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Whatever a log says whose digests are right, the audit has an answer.
#[test]
fn records_that_say_anything_never_panic() {
    let (dir, path) = bundle_of("small-a", "guide", &[]);
    let bundle = std::fs::read(&path).unwrap();
    let archive = Archive::open(&path).unwrap();
    let parts = sections(&bundle);
    let mut numbers = Numbers(7);
    let (mut opened, mut statuses) = (0, [0; 4]);
    let cases = times(3_000, 50_000);
    for case in 0..cases {
        let mut parts = parts.clone();
        let mut heads: Heads = *archive.heads();
        if case % 3 == 0 {
            // Any bytes of any section, under digests of sections that are right.
            let section = 2 + numbers.below(6);
            for _ in 0..=numbers.below(3) {
                let at = numbers.below(parts[section].len());
                parts[section][at] ^= 1 << numbers.below(8);
            }
        } else {
            // A record, with the chain of digests made right as well.
            let mut records = blobs(&parts[L1_EVENTS]);
            let record = numbers.below(records.len());
            if numbers.below(5) == 0 {
                records.remove(record);
            } else {
                let at = numbers.below(records[record].len());
                records[record][at] ^= 1 << numbers.below(8);
            }
            let mut chain = Links::default();
            for bytes in &records {
                if let Ok(record) = decode_l1("test", bytes) {
                    let key = [record.block.0.to_be_bytes(), record.log_index.to_be_bytes()].concat();
                    chain = chain.extended(&key, bytes);
                }
            }
            heads.l1_events = chain;
            parts[L1_EVENTS] = section_of(&records);
            parts[HEADS] = bincode::serde::encode_to_vec(heads, bincode::config::standard()).unwrap();
            let mut receipt = Receipt::from_bytes(&parts[RECEIPT]).unwrap();
            receipt.log = ReceiptLog::new(archive.identity(), &heads).unwrap();
            parts[RECEIPT] = resealed(receipt).to_bytes();
        }
        let Ok(archive) = Archive::from_bytes(assemble(&parts)) else { continue };
        opened += 1;
        for (policy, _) in engine::BUILT_IN {
            let options = ReplayOptions { verify: true, threads: Some(1), ..ReplayOptions::default() };
            let _ = replay(&archive, &[Policy::built_in(policy).unwrap()], options);
        }
        if opened % 10 == 0 {
            let (status, _, _) = audit(dir.path(), &assemble(&parts), &[]);
            statuses[usize::from(status)] += 1;
        }
    }
    assert!(opened > cases / 10, "many of these have to get as far as a replay: {opened}");
    assert!(statuses[3] > cases / 300, "{statuses:?}");
}

/// An empty log is a log, too.
#[test]
fn a_bundle_of_half_a_log_verifies() {
    let recording = crate::support::fixture("small-a");
    for limits in [["--l1-to", "1", "--l2-to", "2000"], ["--l1-to", "20219000", "--l2-to", "1"]] {
        let dir = tempfile::tempdir().unwrap();
        let (log, out) = (dir.path().join("log"), dir.path().join("half.bundle"));
        let (log, out) = (log.to_str().unwrap(), out.to_str().unwrap());
        let ingest = ["ingest", "--recording", recording.to_str().unwrap(), "--log", log];
        assert_eq!(crate::support::tally(&[&ingest[..], &limits].concat()).0, 0);
        let (status, _, err) = crate::support::tally(&["bundle", "create", "--log", log, "--out", out]);
        assert_eq!((status, err.as_str()), (0, ""));
        assert_eq!(crate::support::tally(&["audit", "bundle", out]).0, 0);
        assert!(std::fs::read(out).unwrap().starts_with(MAGIC));
    }
}
