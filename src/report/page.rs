//! A text that can't outgrow its limit: whatever does not fit is left out as a whole, and long lists are cut.

/// More rows than this are no use to a reader.
const MAX_ROWS: usize = 500;
/// Kept free in every list for the row that says how many are missing.
const REST: usize = 96;

/// A growing text with a limit in bytes.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    limit: usize,
}

impl Page {
    /// An empty page.
    pub(super) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    /// How many bytes are left.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.text.len())
    }

    /// Adds a block, or nothing of it; says which.
    pub(super) fn push(&mut self, block: &str) -> bool {
        let fits = block.len() <= self.room();
        if fits {
            self.text.push_str(block);
        }
        fits
    }

    /// Adds a list under its head, in at most half of the room, so that later blocks find some too. Where rows had to
    /// be left out, `rest` is the row that says how many.
    pub(super) fn list(
        &mut self,
        head: &str,
        total: usize,
        rows: impl Iterator<Item = String>,
        rest: impl Fn(usize) -> String,
    ) {
        let share = self.room() / 2;
        if total == 0 || head.len() + REST > share {
            return;
        }
        let end = self.text.len() + share - REST;
        self.text.push_str(head);
        let mut shown = 0;
        for row in rows.take(MAX_ROWS) {
            if self.text.len() + row.len() > end {
                break;
            }
            self.text.push_str(&row);
            shown += 1;
        }
        if shown < total {
            self.push(&rest(total - shown));
        }
        self.push("\n");
    }

    /// The finished text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(limit: usize, rows: usize, width: usize) -> String {
        let mut page = Page::new(limit);
        page.push("head\n");
        page.list("list\n", rows, (0..rows).map(|_| format!("{}\n", "x".repeat(width))), |n| {
            format!("… and {n} more\n")
        });
        page.push("tail\n");
        page.finish()
    }

    #[test]
    fn a_page_never_outgrows_its_limit() {
        for limit in [0, 4, 5, 100, 199, 200, 300, 1_000, 100_000] {
            for (rows, width) in [(0, 1), (1, 1), (3, 50), (700, 1), (5_000, 40), (3, 100_000)] {
                assert!(listed(limit, rows, width).len() <= limit, "{limit} {rows} {width}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_counted() {
        assert!(listed(100_000, 700, 1).ends_with("… and 200 more\n\ntail\n"));
        assert!(listed(100_000, 500, 1).ends_with("x\n\ntail\n"));
        assert!(listed(1_000, 2, 5_000).contains("list\n… and 2 more\n"));
    }
}
