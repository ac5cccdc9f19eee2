//! Guides of which every command is run by a test: their blocks.
//!
//! A block that starts with ```sh holds commands that succeed; after ```sh 1 the last one ends with that exit code.
//! A block of which the first line has the name of a file (```toml cluster.toml) is that file.

/// A block of a guide.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// Commands, and the exit code of the last.
    Commands(String, i32),
    /// A file and its content.
    File(String, String),
}

/// The blocks of a guide, in order, without those that are only to be read.
///
/// # Panics
///
/// When what stands after ```sh is no exit code.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced
        .filter_map(|block| {
            let (info, content) = block.split_once('\n')?;
            let content = format!("{content}\n");
            match info.split_once(' ').unwrap_or((info, "")) {
                ("sh", "") => Some(Block::Commands(content, 0)),
                ("sh", code) => Some(Block::Commands(
                    content,
                    code.parse().expect("an exit code"),
                )),
                (_, "") => None,
                (_, file) => Some(Block::File(file.to_owned(), content)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let text = "x\n```sh\na\nb\n```\ny\n```toml f.toml\nc = 1\n```\n```text\nz\n```\n```sh 1\nd\n```\n";
        assert_eq!(
            blocks(text),
            [
                Block::Commands("a\nb\n".to_owned(), 0),
                Block::File("f.toml".to_owned(), "c = 1\n".to_owned()),
                Block::Commands("d\n".to_owned(), 1),
            ]
        );
    }
}
