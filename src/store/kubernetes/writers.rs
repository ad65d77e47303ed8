//! Who else writes a Secret, as its metadata tells: whoever copies it from elsewhere puts the old key back.

use serde_json::{Map, Value};

use super::cluster::MANAGER;
use crate::http::one_line;

/// So much of a name that somebody else chose is shown.
const LONGEST_SHOWN: usize = 80;

/// How certain it is that the old key comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It writes the key again as soon as it differs from its source.
    Restores,
    /// It applied the key, and does so again unless it no longer runs.
    Applies,
    /// It may write the key when it next runs.
    May,
}

/// Somebody who writes a Secret, or one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    /// How certain that is.
    pub(super) weight: Weight,
    /// What it is called.
    pub(super) who: String,
    /// What it does, and how that is known: a sentence without its full stop.
    pub(super) says: String,
    /// What a person can do.
    pub(super) instead: String,
}

/// Something that keeps Secrets equal to a source of its own.
struct Operator {
    name: &'static str,
    /// Labels and annotations of the Secrets that it writes; all that begin so, where it ends with a slash.
    marks: &'static [&'static str],
    /// API groups of the objects by which it owns Secrets.
    groups: &'static [&'static str],
    /// As whom it manages fields; all that begin so, where it ends with a slash or a dash.
    managers: &'static [&'static str],
    instead: &'static str,
}

const IN_THE_STORE: &str = "write to the store that it reads: Vault and AWS can be targets";
const IN_VAULT: &str = "write to Vault, with a target `vault:MOUNT/PATH#FIELD`";
const AT_THE_SOURCE: &str = "write to the Secret that it copies";
const BY_HAND: &str = "change the key where it reads it";

/// Each name is one that the operator's own source or documents give.
const OPERATORS: [Operator; 12] = [
    Operator {
        name: "External Secrets",
        marks: &["reconcile.external-secrets.io/"],
        groups: &["external-secrets.io"],
        managers: &["external-secrets", "externalsecrets.external-secrets.io/"],
        instead: IN_THE_STORE,
    },
    Operator {
        name: "Sealed Secrets",
        marks: &["sealedsecrets.bitnami.com/"],
        groups: &["bitnami.com"],
        managers: &[],
        instead: "take the key out of the SealedSecret",
    },
    Operator {
        name: "cert-manager",
        marks: &["cert-manager.io/certificate-name", "cert-manager.io/issuer-name", "controller.cert-manager.io/fao"],
        groups: &["cert-manager.io"],
        managers: &["cert-manager-"],
        instead: "leave its certificate alone",
    },
    Operator {
        name: "the Vault Secrets Operator",
        marks: &["secrets.hashicorp.com/"],
        groups: &["secrets.hashicorp.com"],
        managers: &["vault-secrets-operator"],
        instead: IN_VAULT,
    },
    Operator {
        name: "the Vault Config Operator",
        marks: &["vaultsecret.redhatcop.redhat.io/"],
        groups: &["redhatcop.redhat.io"],
        managers: &[],
        instead: IN_VAULT,
    },
    Operator {
        name: "the Bank-Vaults webhook",
        marks: &["secrets-webhook.security.bank-vaults.io/", "vault.security.banzaicloud.io/"],
        groups: &[],
        managers: &[],
        instead: IN_VAULT,
    },
    Operator {
        name: "Reflector",
        marks: &[
            "reflector.v1.k8s.emberstack.com/reflects",
            "reflector.v1.k8s.emberstack.com/auto-reflects",
            "reflector.v1.k8s.emberstack.com/reflected-version",
        ],
        groups: &[],
        managers: &[],
        instead: AT_THE_SOURCE,
    },
    Operator {
        name: "kubernetes-replicator",
        marks: &[
            "replicator.v1.mittwald.de/replicate-from",
            "replicator.v1.mittwald.de/replicated-from",
            "replicator.v1.mittwald.de/replicated-from-version",
        ],
        groups: &[],
        managers: &[],
        instead: AT_THE_SOURCE,
    },
    Operator {
        name: "the Secrets Store CSI driver",
        marks: &["secrets-store.csi.k8s.io/managed"],
        groups: &["secrets-store.csi.x-k8s.io"],
        managers: &[],
        instead: IN_THE_STORE,
    },
    Operator {
        name: "the Doppler operator",
        marks: &["secrets.doppler.com/"],
        groups: &["secrets.doppler.com"],
        managers: &[],
        instead: BY_HAND,
    },
    Operator {
        name: "the Infisical operator",
        marks: &["secrets.infisical.com/"],
        groups: &["secrets.infisical.com"],
        managers: &[],
        instead: BY_HAND,
    },
    Operator {
        name: "the 1Password operator",
        marks: &["operator.1password.io/item-path", "operator.1password.io/item-version"],
        groups: &["onepassword.com"],
        managers: &[],
        instead: BY_HAND,
    },
];

/// What deploys from files in which a Secret may stand, by its marks.
const DEPLOYERS: [(&str, &[&str]); 3] = [
    ("Helm", &["meta.helm.sh/release-name"]),
    ("Argo CD", &["argocd.argoproj.io/"]),
    ("Flux", &["kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"]),
];

/// A cluster or a repository of which Argo CD reads the credentials is not one that it deploys.
const READ_BY_ARGO: &str = "argocd.argoproj.io/secret-type";

/// The same by the names under which people's tools manage fields. `kubectl edit` and its like leave nothing behind that
/// would be applied again.
const TOOLS: [&str; 15] = [
    "kubectl",
    "kubectl-client-side-apply",
    "helm",
    "helm-",
    "argocd",
    "argocd-",
    "kustomize-",
    "flux",
    "flux-",
    "kapp",
    "kapp-",
    "pulumi",
    "pulumi-",
    "Terraform",
    "terraform-",
];

/// Everyone but keyrotor who writes the Secret or this key of it, whoever does so for certain first.
pub(super) fn writers(metadata: &Value, key: &str) -> Vec<Writer> {
    let mut found = by_marks(metadata);
    found.extend(owners(metadata).into_iter().map(by_owner));
    let managers = managers(metadata).into_iter().filter(|manager| manages(manager, key)).filter_map(by_manager);
    // Who deploys it left a mark, and manages it under another name.
    let is_news = |writer: &Writer| writer.weight != Weight::May || found.is_empty();
    let managers: Vec<_> = managers.filter(is_news).collect();
    found.extend(managers);
    found.sort_by_key(|writer| writer.weight as u8);
    found
}

fn by_marks(metadata: &Value) -> Vec<Writer> {
    let marks = ["labels", "annotations"].iter().filter_map(|kind| metadata.get(kind).and_then(Value::as_object));
    let marks: Vec<_> = marks.flatten().filter(|(_, value)| !is_off(value)).map(|(name, _)| name.as_str()).collect();
    let found = |known: &[&str]| {
        marks.iter().copied().find(|mark| *mark != READ_BY_ARGO && known.iter().any(|known| fits(known, mark)))
    };
    let operators =
        OPERATORS.iter().filter_map(|operator| Some(restores(operator, &format!("`{}`", found(operator.marks)?))));
    let deployers = DEPLOYERS.iter().filter_map(|(name, known)| {
        let says = format!("{name} deploys this Secret (`{}`): its next run may put the old key back", found(known)?);
        Some(deploys(name, says))
    });
    operators.chain(deployers).collect()
}

/// A mark that says no.
fn is_off(value: &Value) -> bool {
    value.as_str().is_some_and(|value| value.eq_ignore_ascii_case("false"))
}

fn fits(known: &str, name: &str) -> bool {
    if known.ends_with(['/', '-']) { name.starts_with(known) } else { name == known }
}

fn restores(operator: &Operator, evidence: &str) -> Writer {
    Writer {
        weight: Weight::Restores,
        who: operator.name.to_owned(),
        says: format!("{} writes this Secret ({evidence}): it would put the old key back", operator.name),
        instead: format!("{}, or keep the key in a Secret of its own", operator.instead),
    }
}

fn deploys(who: &str, says: String) -> Writer {
    Writer { weight: Weight::May, who: who.to_owned(), says, instead: String::new() }
}

fn owners(metadata: &Value) -> Vec<&Map<String, Value>> {
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().filter_map(Value::as_object).collect()
}

fn by_owner(owner: &Map<String, Value>) -> Writer {
    let text = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
    let (group, _) = text("apiVersion").split_once('/').unwrap_or_default();
    let who = shown(&format!("{}/{}", text("kind"), text("name")));
    if let Some(operator) = OPERATORS.iter().find(|operator| operator.groups.contains(&group)) {
        return restores(operator, &format!("{who} owns it"));
    }
    if owner.get("controller").and_then(Value::as_bool) == Some(true) {
        return Writer {
            weight: Weight::Restores,
            says: format!("{who} controls this Secret: its controller would put the old key back"),
            instead: format!("{BY_HAND}, or keep the key in a Secret of its own"),
            who,
        };
    }
    let says = format!("{who} owns this Secret: it may put the old key back, and the Secret goes when it goes");
    deploys(&who, says)
}

fn by_manager(manager: &Value) -> Option<Writer> {
    let name = name_of(manager).filter(|name| !is_ours(name))?;
    if let Some(operator) = OPERATORS.iter().find(|operator| operator.managers.iter().any(|known| fits(known, name))) {
        return Some(restores(operator, &format!("`{}` manages the key", shown(name))));
    }
    if TOOLS.iter().any(|tool| fits(tool, name)) {
        let says = format!("`{}` manages this key: its next run may put the old key back", shown(name));
        return Some(deploys(name, says));
    }
    let applies = manager.get("operation").and_then(Value::as_str) == Some("Apply");
    applies.then(|| Writer {
        weight: Weight::Applies,
        who: name.to_owned(),
        says: format!("`{}` applies this key (server-side apply): it would put the old key back", shown(name)),
        instead: format!(
            "take the key out of what it applies; where it no longer runs, add `accept={}` to the target",
            shown(name)
        ),
    })
}

/// What somebody else named.
fn shown(name: &str) -> String {
    one_line(name).chars().take(LONGEST_SHOWN).collect()
}

pub(super) fn managers(metadata: &Value) -> Vec<&Value> {
    metadata.get("managedFields").and_then(Value::as_array).into_iter().flatten().collect()
}

pub(super) fn name_of(manager: &Value) -> Option<&str> {
    manager.get("manager").and_then(Value::as_str)
}

pub(super) fn is_ours(name: &str) -> bool {
    name.strip_prefix(MANAGER).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a manager is said to have written a key last.
pub(super) fn manages(manager: &Value, key: &str) -> bool {
    let field = format!("f:{key}");
    let fields = |data| manager.get("fieldsV1").and_then(|fields| fields.get(data));
    ["f:data", "f:stringData"].into_iter().filter_map(fields).any(|fields| fields.get(&field).is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test that fails here has failed")]

    use super::*;
    use serde_json::json;

    fn found(metadata: &Value) -> Vec<(Weight, String)> {
        writers(metadata, "key").into_iter().map(|writer| (writer.weight, writer.who)).collect()
    }

    fn managed(name: &str, operation: &str, key: &str) -> Value {
        let fields = json!({ "f:data": { ".": {}, format!("f:{key}"): {} } });
        json!({ "managedFields": [{ "manager": name, "operation": operation, "fieldsV1": fields }] })
    }

    fn owned(group: &str, kind: &str, controller: bool) -> Value {
        let api = format!("{group}/v1");
        json!({ "ownerReferences": [{ "apiVersion": api, "kind": kind, "name": "app", "controller": controller }] })
    }

    #[test]
    fn an_operator_is_known_by_its_marks() {
        for (who, mark) in [
            ("External Secrets", "reconcile.external-secrets.io/managed"),
            ("External Secrets", "reconcile.external-secrets.io/data-hash"),
            ("Sealed Secrets", "sealedsecrets.bitnami.com/managed"),
            ("cert-manager", "cert-manager.io/issuer-name"),
            ("cert-manager", "controller.cert-manager.io/fao"),
            ("the Vault Secrets Operator", "secrets.hashicorp.com/vso-ownerRefUID"),
            ("the Vault Config Operator", "vaultsecret.redhatcop.redhat.io/secret-hash"),
            ("the Bank-Vaults webhook", "vault.security.banzaicloud.io/vault-addr"),
            ("the Bank-Vaults webhook", "secrets-webhook.security.bank-vaults.io/provider"),
            ("Reflector", "reflector.v1.k8s.emberstack.com/reflects"),
            ("kubernetes-replicator", "replicator.v1.mittwald.de/replicate-from"),
            ("kubernetes-replicator", "replicator.v1.mittwald.de/replicated-from-version"),
            ("the Secrets Store CSI driver", "secrets-store.csi.k8s.io/managed"),
            ("the Doppler operator", "secrets.doppler.com/subtype"),
            ("the Infisical operator", "secrets.infisical.com/version"),
            ("the 1Password operator", "operator.1password.io/item-path"),
        ] {
            for kind in ["labels", "annotations"] {
                assert_eq!(found(&json!({ kind: { mark: "x" } })), [(Weight::Restores, who.to_owned())], "{mark}");
            }
        }
    }

    #[test]
    fn the_source_of_copies_and_whoever_asks_for_less_are_no_writers() {
        for mark in [
            "reflector.v1.k8s.emberstack.com/reflection-allowed",
            "reflector.v1.k8s.emberstack.com/reflection-auto-enabled",
            "replicator.v1.mittwald.de/replicate-to",
            "replicator.v1.mittwald.de/replication-allowed",
            "cert-manager.io/allow-direct-injection",
            "argocd.argoproj.io/secret-type",
            "app.kubernetes.io/name",
        ] {
            assert_eq!(found(&json!({ "annotations": { mark: "true" } })), [], "{mark}");
        }
        assert_eq!(found(&json!({ "annotations": { "sealedsecrets.bitnami.com/managed": "false" } })), []);
    }

    #[test]
    fn an_owner_that_controls_it_or_is_an_operators_restores_it_and_any_other_may() {
        for (group, kind, controller, weight, who) in [
            ("external-secrets.io", "ExternalSecret", true, Weight::Restores, "External Secrets"),
            ("bitnami.com", "SealedSecret", true, Weight::Restores, "Sealed Secrets"),
            ("secrets.hashicorp.com", "VaultStaticSecret", false, Weight::Restores, "the Vault Secrets Operator"),
            ("onepassword.com", "OnePasswordItem", false, Weight::Restores, "the 1Password operator"),
            ("example.com", "Widget", true, Weight::Restores, "Widget/app"),
            ("example.com", "Widget", false, Weight::May, "Widget/app"),
        ] {
            assert_eq!(found(&owned(group, kind, controller)), [(weight, who.to_owned())], "{kind}");
        }
    }

    #[test]
    fn whoever_manages_the_key_is_told_by_its_name() {
        for (name, operation, expected) in [
            ("keyrotor", "Update", None),
            ("keyrotor.key", "Update", None),
            ("external-secrets", "Update", Some(Weight::Restores)),
            ("externalsecrets.external-secrets.io/app", "Update", Some(Weight::Restores)),
            ("cert-manager-certificates-issuing", "Apply", Some(Weight::Restores)),
            ("fleet-agent", "Apply", Some(Weight::Applies)),
            ("fleet-agent", "Update", None),
            ("kubectl", "Apply", Some(Weight::May)),
            ("kubectl-client-side-apply", "Update", Some(Weight::May)),
            ("kubectl-create", "Update", None),
            ("kubectl-edit", "Update", None),
            ("helm", "Update", Some(Weight::May)),
            ("argocd-controller", "Apply", Some(Weight::May)),
            ("kustomize-controller", "Apply", Some(Weight::May)),
            ("Terraform", "Apply", Some(Weight::May)),
            ("Go-http-client", "Update", None),
        ] {
            let weights: Vec<_> =
                found(&managed(name, operation, "key")).into_iter().map(|(weight, _)| weight).collect();
            assert_eq!(weights, Vec::from_iter(expected), "{name} {operation}");
            assert_eq!(found(&managed(name, operation, "other")), [], "{name} {operation}");
        }
    }

    #[test]
    fn who_writes_it_for_certain_comes_first_and_a_deployer_is_told_once() {
        let mut metadata = managed("helm", "Update", "key");
        metadata["annotations"] = json!({ "meta.helm.sh/release-name": "app" });
        assert_eq!(found(&metadata), [(Weight::May, "Helm".to_owned())]);
        metadata["ownerReferences"] = owned("example.com", "Widget", true)["ownerReferences"].clone();
        assert_eq!(found(&metadata).first(), Some(&(Weight::Restores, "Widget/app".to_owned())));
    }
}
