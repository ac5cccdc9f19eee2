//! `tests/conformance.md` names a test, or a reason, for each rule of the RFCs; what it names has to be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many rules there are.
const RULES: u8 = 55;

/// A line of the table.
struct Row<'a> {
    number: u8,
    rule: &'a str,
    /// What shows that the rule is kept, and what shows that a breach of it does no harm.
    proofs: [&'a str; 2],
}

/// What proves a rule.
#[derive(Debug, PartialEq, Eq)]
enum Proof<'a> {
    /// `file::test`
    Test(&'a str, &'a str),
    /// A golden file.
    File(&'a str),
}

fn rows(table: &str) -> Vec<Row<'_>> {
    table
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line
                .strip_prefix('|')?
                .strip_suffix('|')?
                .split('|')
                .map(str::trim)
                .collect();
            let [number, rule, kept, breached] = cells[..] else {
                panic!("not four cells: {line}");
            };
            let number = number.parse().ok()?;
            let proofs = [kept, breached];
            Some(Row {
                number,
                rule,
                proofs,
            })
        })
        .collect()
}

/// What is in backquotes.
fn proofs(cell: &str) -> impl Iterator<Item = Proof<'_>> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(|quoted| match quoted.split_once("::") {
            Some((file, test)) => Proof::Test(file, test),
            None => Proof::File(quoted),
        })
}

/// Why a proof is none.
fn missing(root: &Path, proof: &Proof<'_>) -> Option<String> {
    let (Proof::Test(file, _) | Proof::File(file)) = proof;
    let Ok(text) = fs::read_to_string(root.join(file)) else {
        return Some(format!("there is no {file}"));
    };
    match proof {
        Proof::Test(_, test) if !has_test(&text, test) => {
            Some(format!("{file} has no test {test}"))
        }
        Proof::Test(..) | Proof::File(_) => None,
    }
}

/// Whether a source file has a test function of this name.
fn has_test(text: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.contains("fn ") {
            if is_test && line.contains(&function) {
                return true;
            }
            is_test = false;
        }
    }
    false
}

/// Files that are awaited: a rule may wait for its proof only as long as they are not there.
fn awaited(cell: &str) -> Option<&str> {
    cell.split_once("awaits ").map(|(_, file)| file.trim())
}

#[test]
fn every_rule_has_its_proof_or_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("tests/conformance.md")).unwrap();
    let rows = rows(&table);
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=RULES).collect::<Vec<_>>());

    let mut wrong = Vec::new();
    for row in &rows {
        let number = row.number;
        if row.rule.is_empty() {
            wrong.push(format!("{number}: no rule"));
        }
        for cell in row.proofs {
            let mut count = 0;
            for proof in proofs(cell) {
                count += 1;
                wrong.extend(missing(&root, &proof).map(|why| format!("{number}: {why}")));
            }
            match awaited(cell) {
                Some(file) if root.join(file).exists() => {
                    wrong.push(format!("{number}: {file} is there, name its tests"));
                }
                Some(_) => {}
                None if count == 0 && !cell.starts_with("declined: ") => {
                    wrong.push(format!("{number}: neither a test nor a reason: {cell:?}"));
                }
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_not_there_is_noticed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let here = "tests/e2e/tests/conformance.rs";
    let none = |text: &'static str| -> BTreeSet<String> {
        proofs(text)
            .filter_map(|proof| missing(&root, &proof))
            .collect()
    };
    assert_eq!(
        none("`tests/e2e/tests/conformance.rs::what_is_not_there_is_noticed`, `Cargo.toml`"),
        BTreeSet::new()
    );
    assert_eq!(
        none("`tests/e2e/tests/conformance.rs::has_test` and `nowhere.rs::x`"),
        BTreeSet::from([
            format!("{here} has no test has_test"),
            "there is no nowhere.rs".to_owned()
        ])
    );
    assert_eq!(awaited("awaits tests/a.rs"), Some("tests/a.rs"));
    let rows = rows("| # | rule | a | b |\n|---|---|---|---|\n| 7 | x | y | z |\n");
    assert_eq!(
        (rows.len(), rows[0].number, rows[0].proofs),
        (1, 7, ["y", "z"])
    );
}
