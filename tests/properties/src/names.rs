//! Names of keys, which are the rotation's journal, and masked labels, which say which key a value is.

use arbitrary::{Result, Unstructured};
use jiff::civil::Date;
use keyrotor::rotation::model::{About, KeyId, KeyKind, KeyRow, ShownRights};
use keyrotor::rotation::name::FamilyName;
use keyrotor::rotation::plan::identity::provably;
use keyrotor::secret::Secret;

use crate::inputs::accepted;
use crate::text::{hostile, joined, likely, several};

const FAMILIES: &[&str] = &[
    "production",
    "prod",
    "a",
    "production-2026-12-01",
    "production-eu",
    "production-",
    "-",
    "日本",
    "a b",
    "production-unconfirmed",
    "2026-12-01",
];
const SUFFIX: &[&str] = &[
    "-",
    "-2026-12-01",
    "-2026-13-01",
    "-7f3a9c",
    "-7F3A9C",
    "-unconfirmed",
    "2026",
    "-12",
    "-01",
    "-eu",
    "-v2",
    "\u{2212}",
    "٣",
    "0",
];

fn date(u: &mut Unstructured<'_>) -> Result<Date> {
    let (year, month, day) = (u.int_in_range(1..=9999)?, u.int_in_range(1..=12)?, u.int_in_range(1..=28)?);
    Ok(Date::new(year, month, day).expect("a date"))
}

/// A name is of a family only if it is exactly as the program writes it, reads back as it was, and stays in the family
/// through renewal and commit. No name of one family that the inputs accept is a name of another.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn names(u: &mut Unstructured<'_>) -> Result<()> {
    let family = likely(u, FAMILIES)?;
    let name = format!("{family}{}", joined(u, SUFFIX, 5)?);
    let mut rng = fastrand::Rng::with_seed(u.arbitrary()?);
    for name in [name, hostile(u)?] {
        let Some(parsed) = FamilyName::parse(&family, &name) else { continue };
        assert_eq!(parsed.to_string(), name, "of {family:?}");
        assert_eq!(parsed.is_confirmed(), !name.ends_with("-unconfirmed"), "{name:?}");
        let renewed = parsed.renewed(&mut rng);
        for next in [parsed.confirmed(), renewed.clone(), renewed.confirmed()] {
            assert_eq!(FamilyName::parse(&family, &next.to_string()), Some(next), "after {name:?}");
        }
        assert!(parsed.confirmed().is_confirmed() && renewed.is_confirmed() == parsed.is_confirmed());
    }
    let made = FamilyName::new(&family, date(u)?, u.arbitrary()?, &mut rng);
    assert_eq!(FamilyName::parse(&family, &made.to_string()), Some(made.clone()));
    let other = likely(u, FAMILIES)? + &joined(u, SUFFIX, 3)?;
    if other != family && u.ratio(1, 8)? && accepted("key-name", &family) && accepted("key-name", &other) {
        for made in [made.clone(), made.confirmed()] {
            assert_eq!(FamilyName::parse(&other, &made.to_string()), None, "{made} is of {family:?}, not of {other:?}");
        }
    }
    Ok(())
}

const MASKS: &[&str] = &["...", "…", "****", "•••", "*", "..", "....", "…*…"];

fn value(u: &mut Unstructured<'_>) -> Result<String> {
    let prefix = *u.choose(&["lr_live_", "sk-or-v1-", "", "é-"])?;
    let body: String = several(u, 40, |u| Ok(*u.choose(&['a', 'b', '0', '_', '-', 'Z'])?))?.into_iter().collect();
    Ok(format!("{prefix}{body}"))
}

fn label(u: &mut Unstructured<'_>, value: &str) -> Result<String> {
    let length = value.chars().count();
    let (head, tail) = (u.int_in_range(0..=length)?, u.int_in_range(0..=length)?);
    let start: String = value.chars().take(head).collect();
    let end: String = value.chars().skip(length - tail).collect();
    Ok(match u.int_in_range(0..=5)? {
        0 => hostile(u)?,
        1 => value.to_owned(),
        _ => format!("{start}{}{end}", u.choose(MASKS)?),
    })
}

fn row(id: usize, label: Option<String>) -> KeyRow {
    KeyRow {
        id: KeyId(format!("key_{id}")),
        name: format!("name {id}"),
        label,
        kind: KeyKind::Regular,
        disabled: false,
        created_at: None,
        updated_at: None,
        last_used_at: None,
        usage_daily: None,
        usage_weekly: None,
        usage_monthly: None,
        usage: None,
        limit_remaining: None,
        rights: ShownRights::default(),
        unknown: Default::default(),
    }
}

/// A value in hand is taken for a listed key by its masked label only if what the label shows is in the value, at six
/// places behind the prefix at least, and no other row's label agrees as well.
///
/// # Errors
/// Where the input is used up.
///
/// # Panics
/// Where that does not hold.
pub fn labels(u: &mut Unstructured<'_>) -> Result<()> {
    let in_hand = value(u)?;
    let mut labels = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        let of = if u.arbitrary()? { in_hand.clone() } else { value(u)? };
        labels.push(if u.ratio(1, 8)? { None } else { Some(label(u, &of)?) });
    }
    labels.retain(|label| label.as_deref().is_none_or(|label| is_clear(label.trim())));
    let rows: Vec<KeyRow> = labels.into_iter().enumerate().map(|(id, label)| row(id, label)).collect();
    let live: Vec<&KeyRow> = rows.iter().collect();
    let secret = Secret::new(in_hand.clone());
    let label = u.arbitrary::<bool>()?.then(|| hostile(u)).transpose()?;
    let about = About { label, manages: u.arbitrary()?, ..About::default() };
    let Some(found) = provably(&rows, &live, &secret, &about, u.arbitrary()?) else { return Ok(()) };
    let agreeing: Vec<&KeyRow> =
        rows.iter().filter(|row| row.label.as_deref().is_some_and(|label| agrees(label, &in_hand))).collect();
    match agreeing.as_slice() {
        [only] => assert_eq!(only.id, found, "{rows:?} for {in_hand:?}"),
        [] => assert_eq!(rows.len(), 1, "nothing names it, and it is not the only one: {rows:?} for {in_hand:?}"),
        _ => panic!("two labels agree, and {found} was taken: {rows:?} for {in_hand:?}"),
    }
    let label = agreeing.first().and_then(|row| row.label.as_deref());
    let shown =
        label.map(|label| label.trim_matches(|c: char| c.is_whitespace()).replace(['.', '…', '*', '•'], "").len());
    assert!(shown.is_none_or(|shown| shown >= 6), "{label:?} shows too little of {in_hand:?}");
    Ok(())
}

/// The two ends that a label shows around one mask; `None` where it is not clear what the mask is.
fn ends(label: &str) -> Option<(&str, &str)> {
    let hides = |c: char| matches!(c, '…' | '*' | '•');
    let is_mask = |c: char| if label.contains(hides) { hides(c) } else { c == '.' };
    let begin = label.find(is_mask)?;
    let (head, rest) = label.split_at(begin);
    let tail = rest.trim_start_matches(is_mask);
    let mask = rest.strip_suffix(tail)?;
    let whole = mask.contains(hides) || mask.contains("...");
    (whole && !tail.contains(is_mask)).then_some((head, tail))
}

fn is_clear(label: &str) -> bool {
    ends(label).is_some() || !label.contains(['.', '…', '*', '•'])
}

/// Whether the label shows two ends of the value.
fn agrees(label: &str, value: &str) -> bool {
    ends(label.trim()).is_some_and(|(head, tail)| {
        value.starts_with(head) && value.ends_with(tail) && head.len() + tail.len() < value.len()
    })
}
