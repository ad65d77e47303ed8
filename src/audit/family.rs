//! Which keys belong together: by their names, as the rotation reads them.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::Rotation;
use crate::rotation::model::{KeyId, KeyKind, KeyRow};
use crate::rotation::name::FamilyName;
use crate::rotation::plan::observation::{Family, commit};

/// What a key is in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The newest confirmed key, dead or alive: what the targets hold.
    Current,
    /// A confirmed key that lives beside a newer one.
    Replaced {
        /// When its successor was confirmed, as far as the issuer shows it.
        at: Option<Timestamp>,
    },
    /// Some run made it and did not finish, and it lives.
    Unconfirmed,
    /// It does not work any more, and is not the current one.
    Dead,
}

/// A key's place in a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The family.
    pub family: String,
    /// What it is there.
    pub role: Role,
    /// The rotation of the config file that the family belongs to, by its number there.
    pub rotation: Option<usize>,
}

/// The family in a name and whether it is confirmed there; `None` where the name is of none.
fn read(name: &str) -> Option<(&str, bool)> {
    name.match_indices('-').find_map(|(at, _)| {
        let family = name.get(..at).filter(|family| !family.is_empty())?;
        FamilyName::parse(family, name).map(|name| (family, name.is_confirmed()))
    })
}

/// Of every row, in the rows' order.
pub(super) fn memberships(rows: &[KeyRow], rotations: &[Rotation], now: Timestamp) -> Vec<Option<Membership>> {
    let by_name: BTreeMap<_, _> = rotations.iter().enumerate().map(|(at, it)| (it.key_name.as_str(), at)).collect();
    let read: Vec<_> = rows.iter().map(|row| read(&row.name).filter(|_| row.kind == KeyKind::Regular)).collect();
    let mut rows_of: BTreeMap<&str, Vec<&KeyRow>> = BTreeMap::new();
    for (row, (family, _)) in rows.iter().zip(&read).filter_map(|(row, name)| Some((row, name.as_ref()?))) {
        rows_of.entry(family).or_default().push(row);
    }
    let roles: HashMap<_, _> =
        rows_of.into_iter().flat_map(|(name, rows)| roles(&Family::of(rows, name, now))).collect();
    let member = |row: &KeyRow, (name, _): (&str, bool)| Membership {
        family: name.to_owned(),
        role: roles.get(&row.id).copied().unwrap_or(Role::Dead),
        rotation: by_name.get(name).copied(),
    };
    rows.iter().zip(read).map(|(row, name)| name.map(|name| member(row, name))).collect()
}

/// Of every key of a family that is not dead, or current.
fn roles<'a>(family: &Family<'a>) -> Vec<(&'a KeyId, Role)> {
    let successors = family.committed().skip(1).map(Some).chain([None]);
    let role = |successor: Option<&KeyRow>| match successor {
        Some(successor) => Role::Replaced { at: commit(successor) },
        None => Role::Current,
    };
    let committed = family.committed().zip(successors).map(|(row, successor)| (&row.id, role(successor)));
    committed.chain(family.unconfirmed.iter().map(|row| (&row.id, Role::Unconfirmed))).collect()
}

/// Where a key is deployed: the current key of a rotation's family, or the one that the rotation is to replace.
pub(super) fn targets(row: &KeyRow, member: Option<&Membership>, rotations: &[Rotation]) -> Vec<String> {
    let current = member.filter(|member| member.role == Role::Current).and_then(|member| member.rotation);
    let named = || rotations.iter().find(|rotation| rotation.replaces.as_ref() == Some(&row.id));
    let rotation = current.and_then(|at| rotations.get(at)).or_else(named);
    rotation.map(|rotation| rotation.targets.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::model::tests::row;

    fn roles(rows: &[KeyRow]) -> Vec<Option<(String, Role)>> {
        let now = "2026-12-17T00:00:00Z".parse().unwrap_or_default();
        memberships(rows, &[], now).into_iter().map(|it| it.map(|it| (it.family, it.role))).collect()
    }

    #[test]
    fn names_are_read_as_the_rotation_reads_them() {
        for (name, expected) in [
            ("production-2026-12-01", Some(("production", true))),
            ("production-2026-12-01-7f3a9c", Some(("production", true))),
            ("my-app-eu-2026-12-01-7f3a9c-unconfirmed", Some(("my-app-eu", false))),
            ("production-2026-10-01-2026-12-01", Some(("production-2026-10-01", true))),
            ("production-v2", None),
            ("-2026-12-01", None),
            ("2026-12-01", None),
        ] {
            assert_eq!(read(name), expected, "{name}");
        }
    }

    fn off(row: KeyRow) -> KeyRow {
        KeyRow { disabled: true, ..row }
    }

    #[test]
    fn the_newest_confirmed_key_is_current() {
        let rows = [
            off(row("a-2026-11-30-000000", "2026-11-30T00:00:00Z")),
            row("a-2026-12-01-000001", "2026-12-01T00:00:00Z"),
            off(row("a-2026-12-01-000009", "2026-12-01T12:00:00Z")),
            row("a-2026-12-02-000002", "2026-12-02T00:00:00Z"),
            row("a-2026-12-03-000003-unconfirmed", "2026-12-03T00:00:00Z"),
            off(row("a-2026-12-04-000004-unconfirmed", "2026-12-04T00:00:00Z")),
            row("b-2026-12-05", "2026-12-05T00:00:00Z"),
            row("by hand", "2026-12-06T00:00:00Z"),
        ];
        let a = |role| Some(("a".to_owned(), role));
        let replaced = Role::Replaced { at: "2026-12-02T00:00:00Z".parse().ok() };
        let expected = [
            a(Role::Dead),
            a(replaced),
            a(Role::Dead),
            a(Role::Current),
            a(Role::Unconfirmed),
            a(Role::Dead),
            Some(("b".to_owned(), Role::Current)),
            None,
        ];
        assert_eq!(roles(&rows), expected);
    }

    #[test]
    fn a_dead_key_that_is_the_newest_is_current() {
        let rows = [
            row("a-2026-12-01-000001", "2026-12-01T00:00:00Z"),
            off(row("a-2026-12-02-000002", "2026-12-02T00:00:00Z")),
        ];
        let replaced = Role::Replaced { at: "2026-12-02T00:00:00Z".parse().ok() };
        let roles: Vec<_> = roles(&rows).into_iter().flatten().map(|(_, role)| role).collect();
        assert_eq!(roles, [replaced, Role::Current]);
    }

    #[test]
    fn a_management_key_is_of_no_family() {
        let manager = KeyRow { kind: KeyKind::Management, ..row("a-2026-12-01", "2026-12-01T00:00:00Z") };
        assert_eq!(roles(&[manager]), [None]);
    }
}
