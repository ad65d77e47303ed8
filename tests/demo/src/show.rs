//! Everything that is printed.

use std::cell::Cell;
use std::io::IsTerminal as _;

use crate::program::Run;
use crate::scene::{SECRET, Scene};
use crate::verdict::Claim;

const STRONG: &str = "1";
const FAINT: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

pub(crate) struct Show {
    colour: bool,
    in_group: Cell<bool>,
}

impl Show {
    pub(crate) fn to_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal(), in_group: Cell::new(false) }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(crate) fn intro(&self, what: &str) {
        println!("{}", self.paint(STRONG, what));
        println!();
        println!("The program is the real one. ARouter and GitHub are made up, on this machine, and so are all the");
        println!("keys, which is why you see them here. The program itself never shows one.");
    }

    pub(crate) fn heading(&self, text: &str) {
        println!("\n{}\n", self.paint(STRONG, text));
    }

    pub(crate) fn before(&self, scene: &Scene) {
        self.heading("Before");
        self.after(scene);
    }

    /// What the repositories and the issuer hold.
    pub(crate) fn after(&self, scene: &Scene) {
        for (place, value, key) in scene.holdings() {
            let name = key.map_or_else(|| "no key at all".to_owned(), |key| key.name);
            println!("  {place} {SECRET} decrypts to");
            println!("      {} {}", value, self.paint(FAINT, &format!("= {name}")));
        }
        println!("  the issuer's keys");
        for key in scene.all_keys() {
            let (state, colour) = if scene.is_live(&key) { ("works", GREEN) } else { ("gone", RED) };
            println!("      {} {}", key.name, self.paint(colour, state));
        }
        self.alerts(scene);
    }

    fn alerts(&self, scene: &Scene) {
        for (number, open) in scene.alerts() {
            let (state, colour) = if open { ("open", RED) } else { ("closed", GREEN) };
            println!("  the alert acme/app#{number} is {}", self.paint(colour, state));
        }
    }

    /// One line of the log, with GitHub's workflow commands as GitHub draws them.
    pub(crate) fn log_line(&self, line: &str) {
        if let Some(title) = line.strip_prefix("::group::") {
            println!("  {}", self.paint(STRONG, &format!("▸ {title}")));
            self.in_group.set(true);
            return;
        }
        if line == "::endgroup::" {
            self.in_group.set(false);
            return;
        }
        let indent = if self.in_group.get() { "    " } else { "  " };
        let marks = [("::error", "✗", RED), ("::warning", "!", YELLOW), ("::notice", "·", STRONG)];
        let mark =
            marks.into_iter().find_map(|(command, mark, colour)| Some((command_text(line, command)?, mark, colour)));
        match mark {
            Some((text, mark, colour)) => println!("{indent}{}", self.paint(colour, &format!("{mark} {text}"))),
            None => println!("{indent}{line}"),
        }
    }

    pub(crate) fn summary(&self, run: &Run) {
        println!();
        match run.code {
            Some(code) => println!("  exit status {code} after {} ms", run.took.as_millis()),
            None => println!("  {}", self.paint(RED, "killed by a signal")),
        }
        if run.summary.is_empty() {
            return;
        }
        self.heading("The summary that it leaves beside the workflow run");
        // What GitHub shows folded stays folded.
        for line in shown(&run.summary) {
            println!("  {} {line}", self.paint(FAINT, "│"));
        }
    }

    /// Whether every claim is true.
    pub(crate) fn verdict(&self, claims: &[Claim]) -> bool {
        println!();
        for claim in claims {
            let (mark, colour) = if claim.holds { ("✓", GREEN) } else { ("✗ not true:", RED) };
            println!("  {} {}", self.paint(colour, mark), claim.text);
        }
        claims.iter().all(|claim| claim.holds)
    }
}

/// A summary as a person sees it: without the source of its picture, references as what they stand for.
fn shown(summary: &str) -> Vec<String> {
    let mut drawn = false;
    let mut lines: Vec<String> = Vec::new();
    for line in summary.trim_end().lines().take_while(|line| !line.starts_with("<details>")) {
        match line {
            "```mermaid" => drawn = true,
            "```" => drawn = false,
            _ if drawn => {}
            "" if lines.last().is_none_or(String::is_empty) => {}
            line => lines.push(characters(line)),
        }
    }
    lines
}

/// `&#95;` is an underscore.
fn characters(line: &str) -> String {
    let mut pieces = line.split("&#");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let reference =
            piece.split_once(';').and_then(|(code, rest)| Some((char::from_u32(code.parse().ok()?)?, rest)));
        match reference {
            Some(('\u{200b}', rest)) => text.push_str(rest),
            Some((character, rest)) => text.extend([String::from(character).as_str(), rest]),
            None => text.extend(["&#", piece]),
        }
    }
    text.replace("<span>$</span>", "$")
}

/// `text` of `::error title=…::text`.
fn command_text(line: &str, command: &str) -> Option<String> {
    let (_, text) = line.strip_prefix(command)?.split_once("::")?;
    Some(text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%"))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_summary_has_no_source_in_it() {
        let summary = "## Done\n\nan &#95; and <span>$</span>5 @&#8203;x\n\n```mermaid\ngantt\n```\n\n<details>";
        assert_eq!(shown(summary), ["## Done", "", "an _ and $5 @x", ""]);
    }
}
