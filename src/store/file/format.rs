//! What is no `.env` file, although somebody may have named it as one: a file in another format, or an encrypted one. To
//! write a variable into it would break it, or put a plain key where only encrypted ones belong.

use super::dotenv::{self, Line};

/// How a file begins that is no text to read variables from, and what it is then.
const BEGINNINGS: [(&[u8], &str); 9] = [
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"\0GITCRYPT", "encrypted by git-crypt"),
    (b"$ANSIBLE_VAULT;", "encrypted by Ansible Vault"),
    (b"age-encryption.org/", "encrypted by age"),
    (b"-----BEGIN ", "a PEM file or an encrypted message"),
    (b"<?xml", "XML"),
    (b"{", "JSON"),
    (b"---", "YAML"),
];

const UTF_16: &str = "UTF-16 text";
const SOPS: &str = "encrypted by SOPS";
const DOTENVX: &str = "encrypted by dotenvx";

/// What a value begins with, or a comment, that such a tool has encrypted.
const ENCRYPTED: [(&str, &str); 2] = [("ENC[AES256_GCM,", SOPS), ("encrypted:", DOTENVX)];

/// How variables begin that such a tool writes into a file.
const MARKS: [(&str, &str); 4] = [
    ("sops_mac", SOPS),
    ("sops_version", SOPS),
    ("DOTENV_PUBLIC_KEY", DOTENVX),
    ("DOTENV_VAULT", "encrypted by dotenv-vault"),
];

/// What the file is, where it is no `.env` file. An empty one is, and one with nothing but comments.
pub(super) fn foreign(text: &[u8]) -> Option<&'static str> {
    by_beginning(text).or_else(|| by_lines(&dotenv::lines(text)))
}

fn by_beginning(text: &[u8]) -> Option<&'static str> {
    let begin = text.trim_ascii_start();
    let known = BEGINNINGS.iter().find(|(beginning, _)| begin.starts_with(beginning)).map(|(_, what)| *what);
    known.or(text.contains(&0).then_some("UTF-16 or binary"))
}

fn by_lines(lines: &[Line<'_>]) -> Option<&'static str> {
    if let Some(what) = lines.iter().find_map(encrypted) {
        return Some(what);
    }
    let sets = |line: &Line<'_>| matches!(line, Line::Variable { .. });
    let mut others = lines.iter().filter_map(|line| match line {
        Line::Other(text) => Some(text.trim_ascii()),
        _ => None,
    });
    if others.clone().any(is_section) {
        return Some("TOML or INI");
    }
    if lines.iter().any(sets) {
        return None;
    }
    if others.clone().next().is_some_and(|first| first.starts_with(b"[")) {
        return Some("JSON");
    }
    let colons =
        lines.iter().any(|line| matches!(line, Line::Colon)) || others.clone().any(|text| text.starts_with(b"- "));
    match (colons, others.next()) {
        (true, _) => Some("YAML"),
        (false, Some(_)) => Some("text in which no line sets a variable"),
        (false, None) => None,
    }
}

fn encrypted(line: &Line<'_>) -> Option<&'static str> {
    let of = |text: &str, table: &[(&str, &'static str)]| {
        table.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, what)| *what)
    };
    match line {
        Line::Variable { name, value } => of(name, &MARKS).or_else(|| of(value.expose(), &ENCRYPTED)),
        Line::Comment(text) => of(String::from_utf8_lossy(text).trim(), &ENCRYPTED[..1]),
        Line::Colon | Line::Other(_) => None,
    }
}

/// `[section]`, `[[table]]`, perhaps with a comment behind it.
fn is_section(line: &[u8]) -> bool {
    let Some(end) = line.iter().rposition(|byte| *byte == b']') else { return false };
    let (inner, behind) = line.split_at(end);
    let behind = behind.get(1..).unwrap_or_default().trim_ascii();
    let name = inner.trim_ascii_start().strip_prefix(b"[").unwrap_or_default();
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b" _-./:\"'[]".contains(byte);
    !name.is_empty()
        && name.iter().all(letter)
        && (behind.is_empty() || behind.starts_with(b"#") || behind.starts_with(b";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_env_file_is_told_by_its_kind() {
        for (text, what) in [
            (&b"\xff\xfeA\0=\x001\0"[..], "UTF-16 text"),
            (b"\xfe\xff\0A\0=\x001", "UTF-16 text"),
            (b"A\0=\x001\0\n\0", "UTF-16 or binary"),
            (b"\0GITCRYPT\0abc", "encrypted by git-crypt"),
            (b"$ANSIBLE_VAULT;1.1;AES256\n6162\n", "encrypted by Ansible Vault"),
            (b"age-encryption.org/v1\n-> X25519 a\n", "encrypted by age"),
            (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "a PEM file or an encrypted message"),
            (b"A=ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops_mac=ENC[x]\n", "encrypted by SOPS"),
            (b"A=1\nsops_version=3.9.0\n", "encrypted by SOPS"),
            (b"#ENC[AES256_GCM,data:x,type:comment]\nA=1\n", "encrypted by SOPS"),
            (b"A=\"encrypted:BDqD\"\n", "encrypted by dotenvx"),
            (b"#/---[DOTENV_PUBLIC_KEY]---/\nDOTENV_PUBLIC_KEY_PRODUCTION=\"03ab\"\nA=1\n", "encrypted by dotenvx"),
            (b"DOTENV_VAULT_PRODUCTION=\"x\"\n", "encrypted by dotenv-vault"),
            (b"{\"A\": \"1\"}", "JSON"),
            (b"\n[\n  \"A\"\n]\n", "JSON"),
            (b"# x\n[tool.keys]\nA = \"1\"\n", "TOML or INI"),
            (b"A=1\n[db] ; of the app\nB=2\n", "TOML or INI"),
            (b"[[key]]\nA = 1\n", "TOML or INI"),
            (b"---\nA: 1\n", "YAML"),
            (b"# x\napi:\n  key: 1\n", "YAML"),
            (b"- a\n- b\n", "YAML"),
            (b"<?xml version=\"1.0\"?><a b=\"c\"/>", "XML"),
            (b"lr_live_alone\n", "text in which no line sets a variable"),
        ] {
            assert_eq!(foreign(text), Some(what), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn env_files_are_left_to_be_read() {
        for text in [
            &b""[..],
            b"\n\n",
            b"# only a comment\n",
            b"A=1",
            b"\xef\xbb\xbfA=1\r\n\r\n# B: c\r\nexport C='x'\r\n",
            b"A='\n[section]\n{\n---\n'\n",
            b"A=[a, b]\nB={\"c\": 1}\n",
            b"A=1\nB: 2\n",
            b"A=1\n- x\n",
            b"A=x # encrypted:\nB=see ENC[AES256_GCM,\n",
            b"DOTENV_PRIVATE_KEY=1\nSOPS_AGE_KEY=2\n",
            b"#!/bin/sh\nexport A=1\n",
            b"A=\xff\n",
        ] {
            assert_eq!(foreign(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
