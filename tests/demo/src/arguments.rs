//! The command line.

use keyrotor_fake::Fault;

pub(crate) const HELP: &str = r#"Shows keyrotor at work, on this machine alone.

Usage: cargo demo
       cargo demo -- --leak
       cargo demo -- --fault FAULT

Without options: one rotation of one repository's key, from beginning to end.
With --leak: GitHub's secret scanning has found the key, and watch-leaks sees the alert.
With --fault: two repositories, and one request goes wrong. Then what holds is shown, and the next run's work.

FAULT  = SERVER ":" WHICH ":" NTH ":" ACTION
SERVER = issuer | github | any
WHICH  = ( METHOD | * ) [ "~" PART-OF-THE-PATH ]
NTH    = N [ "x" TIMES ]          counted over the requests that match
ACTION = status=CODE [,HEADER=VALUE]… [,body=TEXT]     this answer, without effect
       | status-after=…           this answer, but the request takes effect
       | drop-before | drop-after no answer; without and with effect
       | garbage | empty | null   takes effect; a useless answer
       | half-body                takes effect; the answer breaks off
       | delay=TIME               then all goes well
       | apply-late=TIME          no answer; takes effect later
       | hang=TIME                never answers; takes effect later
       | ( kill | term | int | stop ) [-after]         a signal to keyrotor itself
TIME   = N "ms" | N "s"

Examples:
  cargo demo -- --fault "github:PUT:2:status=403"      one repository refuses: the other gets its old key back
  cargo demo -- --fault "issuer:POST:1:drop-after"     the key is made, the answer is lost
  cargo demo -- --fault "github:PUT:1:status=503"      a hiccup: tried again, nothing to put back
  cargo demo -- --fault "github:PUT:1:kill-after"      killed in the middle: the next run cleans up

Colours are left out where stdout is not a terminal, or NO_COLOR is set.
"#;

/// What the command line asks for.
pub(crate) enum Asked {
    Help,
    Rotation,
    Leak,
    Fault(Fault),
}

pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let arguments: Vec<_> = arguments.collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Ok(Asked::Rotation),
        ["-h" | "--help"] => Ok(Asked::Help),
        ["--leak"] => Ok(Asked::Leak),
        ["--fault"] => Err("--fault needs a fault".into()),
        ["--fault", text] => fault(text),
        [one] => match one.strip_prefix("--fault=") {
            Some(text) => fault(text),
            None => Err(format!("{one:?} is unknown")),
        },
        _ => Err("one --fault, and nothing else".into()),
    }
}

fn fault(text: &str) -> Result<Asked, String> {
    text.parse().map(Asked::Fault).map_err(|error: keyrotor_fake::fault::NotAFault| error.to_string())
}
