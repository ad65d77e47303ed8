//! One line on a terminal that is drawn again and again in its place.

/// The line that stands on the terminal now.
#[derive(Debug, Default)]
pub(super) struct Progress {
    columns: usize,
}

impl Progress {
    /// What to print to replace the line by this clean text.
    pub(super) fn draw(&mut self, text: &str, columns: usize) -> String {
        let text = fit(text, columns.saturating_sub(1));
        let before = std::mem::replace(&mut self.columns, width(&text));
        format!("\r{text}{}", " ".repeat(before.saturating_sub(self.columns)))
    }

    /// What to print to wipe the line off.
    pub(super) fn clear(&mut self) -> String {
        match std::mem::take(&mut self.columns) {
            0 => String::new(),
            columns => format!("\r{}\r", " ".repeat(columns)),
        }
    }
}

/// Two columns for everything beyond ASCII: too short a line does no harm, one that wraps can't be redrawn.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

fn fit(text: &str, columns: usize) -> String {
    let mut left = columns;
    text.chars()
        .take_while(|c| {
            let wide = if c.is_ascii() { 1 } else { 2 };
            let fits = wide <= left;
            left = left.saturating_sub(wide);
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_line_wipes_the_rest_of_the_longer_one() {
        let mut progress = Progress::default();
        assert_eq!(progress.draw("12345", 80), "\r12345");
        assert_eq!(progress.draw("123", 80), "\r123  ");
        assert_eq!(progress.clear(), "\r   \r");
        assert_eq!(progress.clear(), "");
    }

    #[test]
    fn a_line_never_wraps() {
        let mut progress = Progress::default();
        assert_eq!(progress.draw("0123456789", 5), "\r0123");
        assert_eq!(progress.draw("日本語日本語", 6), "\r日本");
        assert_eq!(progress.draw("anything", 0), "\r    ");
    }
}
