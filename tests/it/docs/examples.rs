//! Whatever a person can copy, from `examples` or a document, is accepted by the program and careful on GitHub.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keyrotor::cli::{Surroundings, input};
use keyrotor::config::{self, Asked, Request};
use keyrotor_fake::App;
use serde_json::{Value, json};

use crate::docs::documents::{ROOT, blocks, files, text};
use crate::docs::workflows::parsed;

/// Of a release, and before there is one.
const ACTION: [&str; 2] = ["keyrotor/keyrotor@v1", "keyrotor/keyrotor@<commit>"];
const CALLED: [&str; 2] = ["rotate.yml", "rotate-oidc.yml"];
/// What a warning of the program may say of an example all the same.
const MEANT: [&str; 1] = ["grace-period: has no effect, since a leaked key gets no grace"];

type Fields = BTreeMap<String, String>;

/// Where it stands, and what it is.
type Example = (String, Value);

fn workflows() -> Vec<Example> {
    let found = files("examples/workflows").into_iter().map(|path| (path.clone(), parsed(&path))).collect::<Vec<_>>();
    assert!(found.len() > 8);
    found
}

/// The YAML blocks of the documents that are about the action. Config files are held against the schema and the program in
/// `config_file`.
fn fragments() -> Vec<Example> {
    let yaml = blocks().into_iter().filter(|block| block.language == "yaml");
    let found = yaml.filter(|block| !block.text.contains("\nrotations:\n"));
    found
        .map(|block| {
            let value = serde_saphyr::from_str(&block.text);
            let value = value.unwrap_or_else(|error| panic!("{}: {error}", block.place));
            (block.place, value)
        })
        .collect()
}

/// Every step or job that uses the action, alone or through a called workflow.
fn uses<'a>(yaml: &'a Value, found: &mut Vec<&'a Value>) {
    match yaml {
        Value::Object(fields) => {
            if fields.get("uses").and_then(Value::as_str).is_some_and(|uses| uses.starts_with("keyrotor/")) {
                found.push(yaml);
            }
            fields.values().for_each(|value| uses(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| uses(value, found)),
        _ => {}
    }
}

/// The steps that start the program itself.
fn scripts(yaml: &Value) -> Vec<&Value> {
    let jobs = yaml.get("jobs").and_then(Value::as_object).into_iter().flatten();
    let steps = jobs.filter_map(|(_, job)| job["steps"].as_array()).flatten();
    steps.filter(|step| step["run"].as_str().is_some_and(|run| run.starts_with("keyrotor "))).collect()
}

/// What started a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Inputs are empty then.
    Schedule,
    /// The button, with its defaults.
    Dispatch,
}

/// As a workflow would have it, were it there. What is not given is empty, and `a || b` is the first that is not.
fn evaluated(event: Event, expression: &str) -> String {
    let is_true = |text: &str| !["", "false"].contains(&text);
    let all = |part: &str| {
        let mut last = String::new();
        for factor in part.split("&&") {
            last = value(event, factor.trim());
            if !is_true(&last) {
                break;
            }
        }
        last
    };
    let mut last = String::new();
    for part in expression.split("||") {
        last = all(part);
        if is_true(&last) {
            break;
        }
    }
    last
}

fn value(event: Event, name: &str) -> String {
    if let Some(text) = name.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return text.to_owned();
    }
    let known = match name {
        "github.repository" => "acme/app",
        "inputs.leaked" => "true",
        "inputs.dry-run" | "inputs.rotate-now" if event == Event::Schedule => "",
        "inputs.dry-run" => "true",
        "inputs.rotate-now" => "false",
        "inputs.key-name" | "matrix.environment" => "production",
        "secrets.AROUTER_API_KEY" | "secrets.CURRENT_KEY" => "lr_live_0123456789abcdef0123456789abcdef",
        "secrets.AROUTER_MANAGEMENT_KEY" | "secrets.MANAGEMENT_KEY" => "lr_mgmt_0123456789abcdef0123456789abcdef",
        "secrets.OPENROUTER_API_KEY" => "sk-or-v1-0123456789abcdef0123456789abcdef",
        "secrets.OPENROUTER_MANAGEMENT_KEY" => "sk-or-v1-abcdef0123456789abcdef0123456789",
        "secrets.PRODUCTION_AROUTER_KEY" => "lr_live_abcdef0123456789abcdef0123456789",
        "secrets.ROTATION_APP_KEY" | "secrets.APP_PRIVATE_KEY" => return App::new(1).1.pem,
        "secrets.ROTATION_TOKEN" => "github_pat_0123456789abcdef0123456789abcdef",
        "vars.HTTPS_PROXY" => "http://127.0.0.1:3128",
        "vars.ROTATION_APP_CLIENT_ID" => "Iv23liAbCdEfGhIjKlMn",
        _ => panic!("nobody knows what {name} is"),
    };
    known.to_owned()
}

/// A value as the runner would hand it over.
fn handed_over(value: &Value, evaluate: &dyn Fn(&str) -> String) -> String {
    let mut rest = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let mut text = String::new();
    while let Some((before, behind)) = rest.clone().split_once("${{") {
        let (expression, behind) = behind.split_once("}}").unwrap();
        text.push_str(before);
        text.push_str(&evaluate(expression.trim()));
        behind.clone_into(&mut rest);
    }
    text + &rest
}

fn fields(value: Option<&Value>, evaluate: &dyn Fn(&str) -> String) -> Fields {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), handed_over(value, evaluate))).collect()
}

/// A secret comes from a secret, and nothing else does.
fn check_secrets(place: &str, with: Option<&Value>) {
    for (name, value) in with.and_then(Value::as_object).into_iter().flatten() {
        let is_secret = input(name).is_some_and(|doc| doc.is_secret());
        assert_eq!(value.to_string().contains("secrets."), is_secret, "{place}: {name}: {value}");
    }
}

/// The inputs and variables that the action is started with by this step or job.
fn given(place: &str, at: &Value, event: Event) -> (Fields, Fields) {
    let evaluated = |expression: &str| evaluated(event, expression);
    let uses = at["uses"].as_str().unwrap();
    if ACTION.contains(&uses) {
        check_secrets(place, at.get("with"));
        return (fields(at.get("with"), &evaluated), fields(at.get("env"), &evaluated));
    }
    let called = CALLED.iter().find(|name| uses == format!("keyrotor/keyrotor/.github/workflows/{name}@v1"));
    let called = parsed(&format!(".github/workflows/{}", called.unwrap_or_else(|| panic!("{place}: {uses}"))));
    let (inputs, secrets) = (fields(at.get("with"), &evaluated), fields(at.get("secrets"), &evaluated));
    for (kind, given) in [("inputs", &inputs), ("secrets", &secrets)] {
        let declared = called["on"]["workflow_call"][kind].as_object().unwrap();
        given.keys().for_each(|name| assert!(declared.contains_key(name), "{place}: no {name} among the {kind}"));
    }
    let step = called["jobs"]["rotate"]["steps"].as_array().unwrap().last().unwrap();
    // What is not given is empty, and `a || b` is the first that is not.
    let evaluate = |expression: &str| {
        let of = |name: &str| match name.trim().split_once('.').unwrap() {
            ("inputs", name) => inputs.get(name).cloned(),
            ("secrets", name) => secrets.get(name).cloned(),
            _ => panic!("{expression}"),
        };
        expression.split("||").find_map(of).unwrap_or_default()
    };
    (fields(step.get("with"), &evaluate), fields(step.get("env"), &evaluate))
}

fn accepted(place: &str, with: &Fields, env: &Fields) -> Request {
    let mut surroundings = Surroundings::default();
    surroundings.vars.insert("GITHUB_REPOSITORY".into(), "acme/app".into());
    surroundings.vars.extend(env.clone());
    for (name, value) in with {
        let doc = input(name).unwrap_or_else(|| panic!("{place}: {name} is not an input"));
        surroundings.vars.insert(doc.variable(), value.clone());
    }
    if let Some(file) = with.get("config").filter(|file| !file.is_empty()) {
        let example = Path::new("examples").join(Path::new(file).file_name().unwrap());
        let file = Path::new(ROOT).join(example).display().to_string();
        surroundings.vars.insert("INPUT_CONFIG".into(), file);
    }
    check(place, &surroundings)
}

fn check(place: &str, surroundings: &Surroundings) -> Request {
    let reading = config::read(surroundings);
    let Asked::Run(request) = reading.asked else { panic!("{place}: {:?}", reading.asked) };
    let warnings: Vec<_> = request.warnings.iter().filter(|warning| !MEANT.contains(&warning.text.as_str())).collect();
    assert!(warnings.is_empty(), "{place}: {warnings:?}");
    *request
}

/// A workflow for the input `canary`: it can be dispatched, and reads the secret that was written.
fn is_canary(yaml: &Value) -> bool {
    let dispatched =
        yaml.pointer("/on").and_then(Value::as_object).is_some_and(|on| on.contains_key("workflow_dispatch"));
    dispatched && yaml.get("jobs").is_some_and(|jobs| jobs.to_string().contains("${{ secrets.AROUTER_API_KEY }}"))
}

fn scheduled(expression: &str) -> String {
    evaluated(Event::Schedule, expression)
}

/// Whoever presses the button is first told what would be done; a schedule is never a dry run.
#[test]
fn every_rotation_has_a_button() {
    let mut seen = 0;
    for (place, yaml) in workflows() {
        let mut found = Vec::new();
        uses(&yaml, &mut found);
        for at in found.iter().filter(|at| at["with"]["command"] != "audit") {
            check_button(&place, &yaml, at);
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

fn check_button(place: &str, yaml: &Value, at: &Value) {
    let run = |event| {
        let (with, env) = given(place, at, event);
        (accepted(place, &with, &env), with)
    };
    let is_dry = |(request, _): &(Request, _)| request.rotations.iter().all(|rotation| rotation.dry_run);
    assert!(is_dry(&run(Event::Dispatch)), "{place}: the button rotates at once");
    let offered = &yaml["on"]["workflow_dispatch"]["inputs"];
    assert_eq!(offered["dry-run"]["default"], true, "{place}");
    if yaml["on"].get("schedule").is_some() {
        assert!(!is_dry(&run(Event::Schedule)), "{place}: the schedule does nothing");
    }
    // A watch rotates what has leaked, whatever its age.
    if yaml["on"].get("schedule").is_some() && at["with"]["command"] != "watch-leaks" {
        assert_eq!(offered["rotate-now"]["default"], false, "{place}");
        assert!(run(Event::Dispatch).1.contains_key("rotate-now"), "{place}");
    }
}

/// Holds a workflow that was made for somebody against all that holds of the examples.
pub(crate) fn check_made(place: &str, text: &str) {
    let yaml: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
    check_careful(place, &yaml);
    check_button(place, &yaml, &yaml["jobs"]["rotate"]["steps"][0]);
}

#[test]
fn every_example_is_accepted() {
    for (place, yaml) in workflows().into_iter().chain(fragments()) {
        let mut found = Vec::new();
        uses(&yaml, &mut found);
        for at in &found {
            let (with, env) = given(&place, at, Event::Schedule);
            accepted(&place, &with, &env);
        }
        // A part of what stands behind `with:`.
        if found.is_empty() && yaml.as_object().is_some_and(|fields| fields.keys().all(|name| input(name).is_some())) {
            let rest = json!({
                "key-name": "production",
                "management-key": "${{ secrets.MANAGEMENT_KEY }}",
                "github-token": "${{ secrets.ROTATION_TOKEN }}",
            });
            let mut with = fields(Some(&rest), &scheduled);
            with.extend(fields(Some(&yaml), &scheduled));
            if with.contains_key("app-client-id") {
                with.remove("github-token");
            }
            accepted(&place, &with, &Fields::new());
        } else {
            let scripts = scripts(&yaml);
            for step in &scripts {
                let env = fields(step.get("env"), &|text: &str| evaluated(Event::Dispatch, text));
                crate::docs::commands::check_script(&place, step["run"].as_str().unwrap(), &env);
            }
            let is_known = !found.is_empty() || !scripts.is_empty() || is_canary(&yaml);
            assert!(is_known, "{place}: what is this an example of?");
        }
    }
}

#[test]
fn the_key_in_use_is_read_where_the_rotation_writes_it() {
    let secret = parsed("examples/workflows/many.yml")["jobs"]["rotate"]["steps"][1]["env"]["PRODUCTION_KEY"].clone();
    let secret = secret.as_str().unwrap().replace("${{ secrets.", "").replace(" }}", "");
    let config = parsed("examples/keyrotor.yml");
    let rotation = &config["rotations"][0];
    assert_eq!(rotation["current-key-env"], "PRODUCTION_KEY");
    let targets = rotation["targets"].as_array().unwrap();
    assert!(targets.contains(&json!(format!("repo:acme/ops secret={secret}"))), "{targets:?}");
}

#[test]
fn every_example_workflow_is_careful() {
    for (place, yaml) in workflows().into_iter().chain(fragments()).filter(|(_, yaml)| yaml.get("jobs").is_some()) {
        check_careful(&place, &yaml);
    }
}

fn check_careful(place: &str, yaml: &Value) {
    assert_eq!(yaml["permissions"], json!({}), "{place}");
    // An audit changes nothing: two may run at once, and either be cancelled.
    let mut found = Vec::new();
    uses(yaml, &mut found);
    if found.iter().any(|step| step["with"]["command"] != "audit") || !scripts(yaml).is_empty() {
        // A leaked key waits for no rotation.
        let begins =
            if found.iter().any(|step| step["with"]["command"] == "watch-leaks") { "watch-" } else { "rotate-" };
        assert!(yaml["concurrency"]["group"].as_str().unwrap().starts_with(begins), "{place}");
        assert_eq!(yaml["concurrency"]["cancel-in-progress"], false, "{place}");
    }
    let jobs = yaml["jobs"].as_object().unwrap();
    // A called workflow has a bound of its own.
    let bounded = |job: &Value| job["timeout-minutes"].is_number() || job["uses"].is_string();
    assert!(jobs.values().all(bounded), "{place}");
    for schedule in yaml["on"]["schedule"].as_array().into_iter().flatten() {
        let minutes = schedule["cron"].as_str().unwrap().split(' ').next().unwrap().split(',');
        assert!(minutes.map(|minute| minute.parse::<u8>().unwrap()).all(|minute| minute > 0), "{place}");
    }
}

/// The config file as the CronJob has it.
fn without_current_key(config: &str) -> String {
    let is_about_it = |line: &&str| line.contains("current-key-env") || line.contains("repo:acme/ops");
    let (left_out, rest): (Vec<_>, Vec<_>) = config.lines().partition(is_about_it);
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    rest.join("\n")
}

/// A file of the examples, as it would be mounted.
fn mounted(scratch: &Path, path: &str) -> String {
    let value = match path {
        "/etc/keyrotor/keyrotor.yml" => without_current_key(&text("examples/keyrotor.yml")),
        "/run/secrets/keyrotor/management-key" => scheduled("secrets.MANAGEMENT_KEY"),
        "/run/secrets/keyrotor/github-token" => scheduled("secrets.ROTATION_TOKEN"),
        _ => panic!("nothing is mounted at {path}"),
    };
    let file = scratch.join(Path::new(path).file_name().unwrap());
    fs::write(&file, value).unwrap();
    file.display().to_string()
}

#[test]
fn the_cron_job_is_accepted_and_locked_down() {
    let job = parsed("examples/kubernetes/cronjob.yml");
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let scratch: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cronjob-{}", std::process::id()));
    fs::create_dir_all(&scratch).unwrap();
    let mut surroundings = Surroundings::default();
    for argument in container["args"].as_array().unwrap() {
        let argument = argument.as_str().unwrap();
        let is_path = argument.starts_with('/');
        surroundings.args.push(if is_path { mounted(&scratch, argument) } else { argument.to_owned() }.into());
    }
    for variable in container["env"].as_array().unwrap() {
        let value = mounted(&scratch, variable["value"].as_str().unwrap());
        surroundings.vars.insert(variable["name"].as_str().unwrap().to_owned(), value);
    }
    check("cronjob.yml", &surroundings);
    fs::remove_dir_all(&scratch).unwrap();
    // As `tests/image` runs it.
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(job["spec"]["concurrencyPolicy"], "Forbid");
    assert_eq!(job["spec"]["jobTemplate"]["spec"]["backoffLimit"], 0);
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 7);
}

/// The readers of a folder find each file of it.
#[test]
fn every_example_is_told_of() {
    let told: String = crate::docs::documents::documents().iter().map(text).collect();
    for file in ["examples", "examples/workflows", "examples/kubernetes"].into_iter().flat_map(files) {
        assert!(told.contains(&file), "no document names {file}");
    }
}
