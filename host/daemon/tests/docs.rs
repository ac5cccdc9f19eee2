//! Every link of the documentation to something in this repository leads to it, with its anchor, and README.md leads to every page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Where documentation is, from the root of the repository.
const PAGES: [&str; 7] = [
    "*.md",
    "docs/**/*.md",
    "examples/**/*.md",
    "guest-sdk/**/*.md",
    "tests/*.md",
    "wit/**/*.md",
    "dist/**/*.md",
];

fn source_tree() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the source tree is there")
}

fn pages() -> Vec<PathBuf> {
    let root = source_tree();
    let root = root.to_str().expect("its path is UTF-8");
    PAGES
        .iter()
        .flat_map(|pattern| glob::glob(&format!("{root}/{pattern}")).expect("it is a pattern"))
        .map(|path| path.expect("the folder can be read"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    let mut links = 0;
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page can be read");
        for link in links_of(&text)
            .into_iter()
            .filter(|link| !is_elsewhere(link))
        {
            links += 1;
            if let Err(problem) = follow(&page, &link) {
                broken.push(format!("{}: {link}: {problem}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(links > 50, "{links} were followed");
}

#[test]
fn the_readme_leads_to_every_document() {
    let root = source_tree();
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md is there");
    let linked: BTreeSet<_> = links_of(&readme)
        .iter()
        .filter_map(|link| root.join(link).canonicalize().ok())
        .collect();
    let documents = ["docs/*.md", "docs/*.schema.json"];
    let documents = documents.iter().flat_map(|pattern| {
        let pattern = root.join(pattern);
        glob::glob(pattern.to_str().expect("its path is UTF-8")).expect("it is a pattern")
    });
    let missing: Vec<_> = documents
        .map(|path| path.expect("the folder can be read"))
        .filter(|path| !linked.contains(path))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A `b-c` [d](e), f!\n\n## Same\n\n## Same\n\n### `x.NAME.y_z`\n";
    let expected = ["a-b-c-d-f", "same", "same-1", "xnamey_z"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}

#[test]
fn broken_links_are_found() {
    let page = source_tree().join("README.md");
    for (link, whether) in [
        ("docs/operating.md", true),
        ("docs/no-such-page.md", false),
        ("ARCHITECTURE.md#invariants", true),
        ("ARCHITECTURE.md#no-such-heading", false),
        ("#guarantees", true),
        ("#no-such-heading", false),
    ] {
        assert_eq!(follow(&page, link).is_ok(), whether, "{link}");
    }
}

fn is_elsewhere(link: &str) -> bool {
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
}

/// Looks for what a link of a page names.
fn follow(page: &Path, link: &str) -> Result<(), String> {
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (link, None),
    };
    let target = if path.is_empty() {
        page.to_path_buf()
    } else {
        page.with_file_name("").join(path)
    };
    if !target.exists() {
        return Err("there is no such file".to_owned());
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let text = fs::read_to_string(&target).map_err(|error| error.to_string())?;
    if anchors(&text).contains(anchor) {
        return Ok(());
    }
    Err("there is no such heading".to_owned())
}

fn parse(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

fn links_of(text: &str) -> Vec<String> {
    let targets = parse(text).filter_map(|event| {
        let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else {
            return None;
        };
        Some(dest_url.into_string())
    });
    targets.collect()
}

/// What the headings of a page can be linked by: in lower case, without punctuation, with hyphens for spaces, and a number where
/// there are several of them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in parse(text) {
        if let Event::Start(Tag::Heading { .. }) = event {
            heading = Some(String::new());
        } else if let (Event::Text(text) | Event::Code(text), Some(heading)) =
            (&event, &mut heading)
        {
            heading.push_str(text);
        } else if let Event::End(TagEnd::Heading(_)) = event {
            let title = heading.take().unwrap_or_default().to_lowercase();
            let name: String = title
                .replace(' ', "-")
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
                .collect();
            let numbered = (1..).map(|number| format!("{name}-{number}"));
            let mut names = std::iter::once(name.clone()).chain(numbered);
            let free = names.find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
    }
    anchors
}
