#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use super::*;

const KEY: &str = "lr_live_0123456789abcdef";

fn value(text: &str) -> Option<String> {
    find(text.as_bytes(), "KEY").unwrap().map(|found| found.value.expose().to_owned())
}

fn refused(text: &str) -> String {
    find(text.as_bytes(), "KEY").err().unwrap_or_default()
}

fn written(text: &str) -> String {
    let new = with_value(text.as_bytes(), "KEY", KEY).unwrap();
    String::from_utf8(new.to_vec()).unwrap()
}

#[test]
fn values_are_read_as_parsers_read_them() {
    for (text, expected) in [
        ("KEY=a", "a"),
        ("A=1\r\nKEY=a b \r\nB=2", "a b"),
        ("  export\tKEY = a # b", "a"),
        ("KEY=a#b", "a#b"),
        ("KEY='a # b' # c", "a # b"),
        ("KEY=\"a\\n\\\"b\\\"\"", "a\n\"b\""),
        ("KEY='a\\'b\\n'", "a'b\\n"),
        ("KEY=`a \"b\"`", "a \"b\""),
        ("KEY=", ""),
        ("KEY= # none", ""),
        ("KEY=''", ""),
        ("A='\nKEY=in\n'\nKEY=out", "out"),
        ("A=\"\\\"\nKEY=in\n\"\nKEY=out", "out"),
        ("\u{feff}KEY=a", "a"),
        ("'KEY'=a", "a"),
        ("KEYS=1\nMY_KEY=2\n#KEY=3\nKEY=a", "a"),
        ("A=\"never closed\nKEY=a", "a"),
        ("KEY=a\rB=b", "a"),
    ] {
        assert_eq!(value(text).as_deref(), Some(expected), "{text:?}");
    }
    for text in ["", "KEYS=a", "# KEY=a", "KEY", "export KEY", "MY KEY=a", "A='KEY=a'", "key=a"] {
        assert_eq!(value(text), None, "{text:?}");
    }
}

#[test]
fn what_parsers_read_differently_is_refused_with_its_line() {
    for (text, part) in [
        ("A=1\nKEY=a\r\nKEY=b", "set on line 2 and again on line 3"),
        ("\n\nKEY=\"a", "line 3: a quotation mark is not closed"),
        ("KEY='a'b", "line 1: something stands behind"),
        ("KEY: a", "line 1: not every parser reads a colon"),
    ] {
        assert!(refused(text).contains(part), "{text:?}: {}", refused(text));
        assert!(with_value(text.as_bytes(), "KEY", KEY).is_err() && without(text.as_bytes(), "KEY", false).is_err());
    }
}

#[test]
fn only_the_value_changes() {
    for (text, expected) in [
        ("A=1\r\nexport KEY = 'old' # why\r\n\r\nB=2", "A=1\r\nexport KEY = '*' # why\r\n\r\nB=2"),
        ("KEY=\"old\"", "KEY=\"*\""),
        ("KEY=`old`\n", "KEY=`*`\n"),
        ("KEY=old  # why\n", "KEY=*  # why\n"),
        ("KEY=\nB=", "KEY=*\nB="),
        ("KEY=  # why", "KEY=*  # why"),
        ("KEY=  \n", "KEY=*  \n"),
        ("KEY='two\nlines'\nB=1\n", "KEY='*'\nB=1\n"),
        ("\u{feff}KEY=old", "\u{feff}KEY=*"),
    ] {
        assert_eq!(written(text), expected.replacen('*', KEY, 1), "{text:?}");
    }
    let bytes = with_value(b"A=\xff\xfe\nKEY=old\n\xc3", "KEY", "new").unwrap();
    assert_eq!(bytes.as_slice(), b"A=\xff\xfe\nKEY=new\n\xc3");
}

#[test]
fn a_missing_variable_is_appended_and_goes_without_a_trace() {
    for (text, expected) in [
        ("", "KEY=*\n"),
        ("A=1\n", "A=1\nKEY=*\n"),
        ("A=1", "A=1\nKEY=*\n"),
        ("A=1\r\nB=2", "A=1\r\nB=2\r\nKEY=*\r\n"),
        ("# KEY=", "# KEY=\nKEY=*\n"),
    ] {
        let with = written(text);
        assert_eq!(with, expected.replacen('*', KEY, 1), "{text:?}");
        let gone = without(with.as_bytes(), "KEY", lacks_break(text.as_bytes())).unwrap();
        assert_eq!(String::from_utf8_lossy(&gone), text);
    }
    let gone = without(b"A=1\n  export KEY=old # why\nB=2", "KEY", false).unwrap();
    assert_eq!(gone.as_slice(), b"A=1\nB=2");
}

#[test]
fn a_value_that_needs_quotes_gets_some_or_is_refused() {
    let with = |text: &str, value| {
        with_value(text.as_bytes(), "KEY", value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    assert_eq!(with("KEY=old", "a#b c").as_deref(), Ok("KEY='a#b c'"));
    assert_eq!(with("KEY=\"old\"", "a\"b$c").as_deref(), Ok("KEY='a\"b$c'"));
    for value in ["a'b", "a\\b", "a`b", "a${b}", "a\nb", "a\u{0}b"] {
        let message = with("KEY=old", value).unwrap_err();
        assert!(message.contains("parsers") && !message.contains(value), "{message}");
    }
}

#[test]
fn the_other_variables_are_read_with_their_values() {
    let text = b"A=1 # x\nKEY=2\n# C=3\n  B = 'two\nlines'\nC: 4\nD=\"open\nexport E=${KEY}\nF=";
    let read = others(text, "KEY");
    let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let expected = [("A", "1"), ("B", "two\nlines"), ("C", "4"), ("D", "\"open"), ("E", "${KEY}"), ("F", "")];
    assert_eq!(read, expected);
}

#[test]
fn what_was_written_before_can_be_put_back_as_it_was() {
    let old = "A=1\nKEY=\"o\\\"ld\" # why\n";
    let as_written = find(old.as_bytes(), "KEY").unwrap().unwrap().written;
    let back = with_written(written(old).as_bytes(), "KEY", &as_written).unwrap();
    assert_eq!(String::from_utf8_lossy(&back), old);
}
