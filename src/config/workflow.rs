//! What a workflow file says of a rotation, as far as the file alone can tell: when it runs, what keeps two runs apart, and
//! which secrets it reads by which names.

use std::collections::BTreeMap;

use crate::config::yaml::{self, Field, Node, Value};

/// Beside the secrets that are set, there is always this one.
const OF_THE_RUNNER: &str = "GITHUB_TOKEN";

/// What the run's own credentials are given by.
const NEEDED: [&str; 3] = ["management-key", "github-token", "app-private-key"];

/// A workflow with a job that rotates the keys of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Workflow {
    /// Its schedules, as five fields of cron.
    pub(crate) schedules: Vec<String>,
    /// What keeps two runs apart.
    pub(crate) concurrency: Concurrency,
    /// The environment of the job.
    pub(crate) environment: Option<String>,
    /// The names of the secrets that the job reads, and whether it can't do without.
    pub(crate) secrets: BTreeMap<String, bool>,
}

/// What keeps two runs of a workflow apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// Nothing.
    #[default]
    None,
    /// The later one waits.
    Group,
    /// The later one ends the earlier one.
    Cancels,
}

/// Reads a workflow; `None` where no job of it rotates the family.
///
/// # Errors
/// Where it can't be read, and where.
pub(crate) fn read(text: &str, family: &str) -> Result<Option<Workflow>, String> {
    let (root, _) = yaml::parse(text).map_err(|fault| format!("line {}: {}", fault.at.line, fault.message))?;
    let jobs = fields(field(&root, "jobs"));
    let Some(job) = jobs.iter().map(|job| &job.node).find(|job| rotates(job, family)) else { return Ok(None) };
    let schedules = items(field(&root, "on").and_then(|on| field(on, "schedule")));
    let schedules = schedules.iter().filter_map(|it| scalar(field(it, "cron")?)).map(str::to_owned).collect();
    let environment = field(job, "environment").and_then(|it| scalar(it).or_else(|| scalar(field(it, "name")?)));
    let mut secrets = BTreeMap::new();
    for part in [Some(job), field(&root, "env")].into_iter().flatten() {
        collect(part, None, &mut secrets);
    }
    Ok(Some(Workflow {
        schedules,
        concurrency: concurrency(field(job, "concurrency").or_else(|| field(&root, "concurrency"))),
        environment: environment.filter(|name| !name.contains("${{")).map(str::to_owned),
        secrets,
    }))
}

fn concurrency(node: Option<&Node>) -> Concurrency {
    match node {
        None => Concurrency::None,
        Some(node) => match field(node, "cancel-in-progress").and_then(scalar) {
            None | Some("false") => Concurrency::Group,
            Some(_) => Concurrency::Cancels,
        },
    }
}

/// Whether a job uses keyrotor for this family, or for a file with many.
fn rotates(job: &Node, family: &str) -> bool {
    let steps = items(field(job, "steps"));
    steps.iter().chain([job]).any(|step| {
        let uses = field(step, "uses").and_then(scalar).is_some_and(|uses| uses.contains("keyrotor"));
        let run = field(step, "run").and_then(scalar).filter(|run| run.contains("keyrotor"));
        let with = |name: &str| field(step, "with").and_then(|with| field(with, name)).and_then(scalar);
        let is_audit = with("command").is_some_and(|command| command != "rotate");
        let named = with("key-name").is_some_and(|name| name == family) || with("config").is_some();
        uses && named && !is_audit || run.is_some_and(|run| run.contains(family) || run.contains("--config"))
    })
}

/// Every `secrets.NAME`, with the input that it is for.
fn collect(node: &Node, input: Option<&str>, found: &mut BTreeMap<String, bool>) {
    match &node.value {
        Value::Scalar { text, .. } => {
            for name in text.match_indices("secrets.").filter_map(|(at, word)| name_at(text, at, word.len())) {
                if name != OF_THE_RUNNER {
                    *found.entry(name).or_default() |= input.is_some_and(|input| NEEDED.contains(&input));
                }
            }
        }
        Value::List(nodes) => nodes.iter().for_each(|node| collect(node, input, found)),
        Value::Map(fields) => fields.iter().for_each(|field| collect(&field.node, Some(&field.name), found)),
        Value::Faulty => {}
    }
}

/// The name behind `secrets.`, where that is no end of another word.
fn name_at(text: &str, at: usize, length: usize) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.get(..at)?.ends_with(is_word) {
        return None;
    }
    let name = text.get(at + length..)?.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
    (!name.is_empty()).then(|| name.to_ascii_uppercase())
}

fn fields(node: Option<&Node>) -> &[Field] {
    match node.map(|node| &node.value) {
        Some(Value::Map(fields)) => fields,
        _ => &[],
    }
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    }
}

fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    fields(Some(node)).iter().find(|field| field.name == name).map(|field| &field.node)
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const DAILY: &str = include_str!("../../examples/workflows/daily.yml");

    #[test]
    fn an_example_is_read_as_what_it_is() {
        let daily = read(DAILY, "production").unwrap().unwrap();
        assert_eq!((daily.schedules.len(), daily.concurrency), (1, Concurrency::Group));
        for name in ["AROUTER_MANAGEMENT_KEY", "ROTATION_TOKEN"] {
            assert_eq!(daily.secrets.get(name), Some(&true), "{name}");
        }
        assert_eq!(daily.secrets.get("AROUTER_API_KEY"), Some(&false));
        assert_eq!(read(DAILY, "staging"), Ok(None));
        let cancels = DAILY.replace("cancel-in-progress: false", "cancel-in-progress: true");
        assert_eq!(read(&cancels, "production").unwrap().unwrap().concurrency, Concurrency::Cancels);
        assert!(read("jobs: [", "production").is_err());
    }

    #[test]
    fn a_secret_is_found_wherever_an_expression_names_it() {
        let text = "env: {A: '${{ secrets.b }}'}\non: push\njobs:\n  x:\n    environment: {name: prod}\n    steps:\n      - run: |\n          \
                    keyrotor --key-name production ${{secrets.C}} my-secrets.D ${{ secrets.GITHUB_TOKEN }}\n";
        let read = read(text, "production").unwrap().unwrap();
        assert_eq!(read.secrets.keys().collect::<Vec<_>>(), ["B", "C"]);
        assert_eq!((read.environment.as_deref(), read.schedules.len()), (Some("prod"), 0));
        assert_eq!(read.concurrency, Concurrency::None);
    }
}
