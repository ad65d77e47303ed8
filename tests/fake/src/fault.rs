//! What goes wrong, and at which request: as data, and as text.
//!
//! # Grammar
//!
//! ```text
//! fault  = server ":" which ":" nth ":" action
//! server = "issuer" | "github" | "runner" | "vault" | "aws" | "kubernetes" | "any"
//! which  = ( METHOD | "*" ) [ "~" part-of-the-path ]
//! nth    = N [ "x" TIMES ]                      counted over the requests that match; TIMES is 1 by default
//! action = "status=" CODE [ "," header "=" value ]… [ ",body=" anything ]
//!        | "status-after=" …                    as status, but the request takes effect first
//!        | "twice"                         takes effect twice, as behind a gateway that sent it again; one answer
//!        | "drop-before" | "drop-after"         no answer; without and with effect
//!        | "garbage" | "empty" | "null"         takes effect; 200 with a body that is of no use
//!        | "half-body"                          takes effect; the answer breaks off (one without a body never begins)
//!        | "delay=" TIME                        then all goes well
//!        | "apply-late=" TIME                   no answer; takes effect after this time
//!        | "hang=" TIME                         never answers, keeps the connection; takes effect after this time
//!        | ( "kill" | "term" | "int" | "stop" ) [ "-after" ]   a signal to the client; without and with effect
//! TIME   = N "ms" | N "s"
//! ```
//!
//! `github:PUT:1:status=429,retry-after=2`, `issuer:POST:1:drop-after`, `github:GET~/public-key:2x3:status=502`,
//! `any:*:7:kill`.
//!
//! A client that is killed gets no answer, and without `-after` its request has no effect. A client that gets another
//! signal lives on, so its request is carried out and answered; `-after` says only which comes first.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The servers of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// The issuer of keys.
    Issuer,
    /// GitHub.
    GitHub,
    /// The runner's endpoint for OIDC tokens.
    Runner,
    /// Vault.
    Vault,
    /// AWS Secrets Manager, whose requests are told by the operation's name as a path: `/PutSecretValue`.
    Aws,
    /// A cluster's API server.
    Kubernetes,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Issuer, Self::GitHub, Self::Runner, Self::Vault, Self::Aws, Self::Kubernetes];

    fn word(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::GitHub => "github",
            Self::Runner => "runner",
            Self::Vault => "vault",
            Self::Aws => "aws",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A signal to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL: it dies at once.
    Kill,
    /// SIGTERM: a runner that loses patience.
    Term,
    /// SIGINT: a person or a runner that cancels.
    Int,
    /// SIGSTOP: it freezes, until [`Signal::Cont`].
    Stop,
    /// SIGCONT: it goes on.
    Cont,
}

const SIGNALS: [(&str, Signal); 5] = [
    ("kill", Signal::Kill),
    ("term", Signal::Term),
    ("int", Signal::Int),
    ("stop", Signal::Stop),
    ("cont", Signal::Cont),
];

/// What a gateway answers in a server's place.
pub const GATEWAY_PAGE: &str = "<html><body>Refused by a gateway</body></html>";

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Another answer than the state's.
    Status {
        /// Its status.
        code: u16,
        /// Its headers; no value holds a comma.
        headers: Vec<(String, String)>,
        /// Its body; `None`: the server's own documented error.
        body: Option<String>,
        /// Whether the request takes effect all the same, as behind a gateway that lost patience.
        applied: bool,
    },
    /// The request takes effect twice, and is answered once.
    Twice,
    /// The connection is closed without an answer and without effect.
    DropBefore,
    /// The request takes effect; the connection is closed without an answer.
    DropAfter,
    /// The request takes effect and is answered 200 with a body that is not JSON.
    Garbage,
    /// The request takes effect and is answered 200 with an empty body.
    Empty,
    /// The request takes effect and is answered 200 with the body `null`.
    Null,
    /// The request takes effect and the connection is closed in the middle of the answer's body; before the answer,
    /// where it has no body.
    HalfBody,
    /// The request waits, then all goes well.
    Delay(Duration),
    /// The connection is closed at once; the request takes effect later.
    ApplyLate(Duration),
    /// No answer ever comes and the connection stays open; the request takes effect later.
    HangThenApply(Duration),
    /// The client gets a signal.
    Signal {
        /// Which.
        signal: Signal,
        /// Whether the request takes effect before the signal.
        applied: bool,
    },
}

impl Action {
    /// An answer with this status and no effect.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: None, applied: false }
    }

    /// A refusal in a gateway's words, with or without effect behind it.
    #[must_use]
    pub fn gateway(code: u16, applied: bool) -> Self {
        Self::Status { code, headers: Vec::new(), body: Some(GATEWAY_PAGE.to_owned()), applied }
    }

    /// Every action that leaves the client alive, with usual arguments: the rows of a fault table.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let status = |code, applied, retry_after: Option<&str>| Self::Status {
            code,
            headers: retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect(),
            body: None,
            applied,
        };
        vec![
            status(401, false, None),
            status(403, false, None),
            status(404, false, None),
            status(422, false, None),
            status(429, false, Some("1")),
            status(500, false, None),
            status(502, true, None),
            status(503, false, Some("1")),
            Self::gateway(403, false),
            Self::gateway(403, true),
            Self::Twice,
            Self::DropBefore,
            Self::DropAfter,
            Self::Garbage,
            Self::Empty,
            Self::Null,
            Self::HalfBody,
            Self::Delay(Duration::from_millis(200)),
            Self::ApplyLate(Duration::from_millis(700)),
            Self::HangThenApply(Duration::from_millis(700)),
        ]
    }

    /// Every action that ends or stops the client.
    #[must_use]
    pub fn all_signals() -> Vec<Self> {
        let both = |signal| [false, true].map(|applied| Self::Signal { signal, applied });
        [Signal::Kill, Signal::Term, Signal::Int, Signal::Stop].into_iter().flat_map(both).collect()
    }
}

/// What goes wrong, and at which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which server; `None`: at any.
    pub who: Option<Server>,
    /// For which method; `None`: for any.
    pub method: Option<String>,
    /// For paths that contain this; `None`: for any.
    pub path_contains: Option<String>,
    /// The first request that it befalls, counted from 1 over those that match.
    pub nth: usize,
    /// How many requests in a row it befalls, of those that match.
    pub times: usize,
    /// What goes wrong.
    pub act: Action,
}

impl Fault {
    /// A fault at the `nth` request of the whole run.
    #[must_use]
    pub fn at(nth: usize, act: Action) -> Self {
        Self { who: None, method: None, path_contains: None, nth, times: 1, act }
    }

    /// Whether a request is one of those that are counted.
    #[must_use]
    pub fn counts(&self, server: Server, method: &str, path: &str) -> bool {
        self.who.is_none_or(|who| who == server)
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path_contains.as_deref().is_none_or(|part| path.contains(part))
    }

    /// Whether it befalls the request that is the `count`th of those that match.
    #[must_use]
    pub fn befalls(&self, count: usize) -> bool {
        (self.nth..self.nth.saturating_add(self.times)).contains(&count)
    }
}

/// Faults, with how often each was counted.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    faults: Vec<(Fault, usize)>,
}

impl Plan {
    /// Adds a fault. It counts from now on.
    pub fn add(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    /// Forgets all faults.
    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// Counts a request, and says what befalls it: the first fault that does.
    pub fn arrive(&mut self, server: Server, method: &str, path: &str) -> Option<Action> {
        let mut action = None;
        for (fault, count) in &mut self.faults {
            if fault.counts(server, method, path) {
                *count += 1;
                if action.is_none() && fault.befalls(*count) {
                    action = Some(fault.act.clone());
                }
            }
        }
        action
    }

    /// The faults that befell no request: a test whose faults miss tests nothing.
    #[must_use]
    pub fn unused(&self) -> Vec<&Fault> {
        self.faults.iter().filter(|(fault, count)| *count < fault.nth).map(|(fault, _)| fault).collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Some(server) => write!(f, "{server}:")?,
            None => f.write_str("any:")?,
        }
        f.write_str(self.method.as_deref().unwrap_or("*"))?;
        if let Some(part) = &self.path_contains {
            write!(f, "~{part}")?;
        }
        write!(f, ":{}", self.nth)?;
        if self.times != 1 {
            write!(f, "x{}", self.times)?;
        }
        write!(f, ":{}", self.act)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |applied: &bool| if *applied { "-after" } else { "" };
        match self {
            Self::Status { code, headers, body, applied } => {
                write!(f, "status{}={code}", after(applied))?;
                headers.iter().try_for_each(|(name, value)| write!(f, ",{name}={value}"))?;
                body.iter().try_for_each(|body| write!(f, ",body={body}"))
            }
            Self::Twice => f.write_str("twice"),
            Self::DropBefore => f.write_str("drop-before"),
            Self::DropAfter => f.write_str("drop-after"),
            Self::Garbage => f.write_str("garbage"),
            Self::Empty => f.write_str("empty"),
            Self::Null => f.write_str("null"),
            Self::HalfBody => f.write_str("half-body"),
            Self::Delay(time) => write!(f, "delay={}ms", time.as_millis()),
            Self::ApplyLate(time) => write!(f, "apply-late={}ms", time.as_millis()),
            Self::HangThenApply(time) => write!(f, "hang={}ms", time.as_millis()),
            Self::Signal { signal, applied } => {
                let name = SIGNALS.iter().find(|(_, known)| known == signal).map_or("", |(name, _)| name);
                write!(f, "{name}{}", after(applied))
            }
        }
    }
}

/// A text that describes no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAFault(String);

impl fmt::Display for NotAFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAFault {}

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let wrong = |what: &str| NotAFault(format!("{text:?} is no fault: {what}"));
        let mut parts = text.splitn(4, ':');
        let mut part = || parts.next().ok_or_else(|| wrong("expected server:method:nth:action"));
        let who = part()?;
        let server = Server::ALL.into_iter().find(|server| server.word() == who);
        if server.is_none() && who != "any" {
            return Err(wrong("the server is issuer, github, runner, vault, aws, kubernetes or any"));
        }
        let which = part()?;
        let (method, path) = which.split_once('~').map_or((which, None), |(method, path)| (method, Some(path)));
        let nth = part()?;
        let (nth, times) = nth.split_once('x').unwrap_or((nth, "1"));
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        Ok(Self {
            who: server,
            method: (method != "*").then(|| method.to_owned()),
            path_contains: path.map(str::to_owned),
            nth: number(nth).ok_or_else(|| wrong("nth is a number from 1"))?,
            times: number(times).ok_or_else(|| wrong("times is a number from 1"))?,
            act: part()?.parse()?,
        })
    }
}

impl FromStr for Action {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let wrong = |what: &str| NotAFault(format!("{text:?} is no action: {what}"));
        let (name, argument) = text.split_once('=').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let time = || argument.and_then(parse_time).ok_or_else(|| wrong("expected a time, as 250ms or 20s"));
        Ok(match name {
            "status" | "status-after" => {
                let argument = argument.ok_or_else(|| wrong("expected a status"))?;
                let (argument, body) =
                    argument.split_once(",body=").map_or((argument, None), |(rest, body)| (rest, Some(body)));
                let mut words = argument.split(',');
                let code = words.next().and_then(|code| code.parse().ok()).filter(|code| (100..600).contains(code));
                let header = |word: &str| word.split_once('=').map(|(name, value)| (name.into(), value.into()));
                Self::Status {
                    code: code.ok_or_else(|| wrong("expected a status"))?,
                    headers: words.map(header).collect::<Option<_>>().ok_or_else(|| wrong("expected name=value"))?,
                    body: body.map(str::to_owned),
                    applied: name == "status-after",
                }
            }
            "delay" => Self::Delay(time()?),
            "apply-late" => Self::ApplyLate(time()?),
            "hang" => Self::HangThenApply(time()?),
            _ if argument.is_some() => return Err(wrong("it takes no argument, or is unknown")),
            "twice" => Self::Twice,
            "drop-before" => Self::DropBefore,
            "drop-after" => Self::DropAfter,
            "garbage" => Self::Garbage,
            "empty" => Self::Empty,
            "null" => Self::Null,
            "half-body" => Self::HalfBody,
            name => {
                let (name, applied) = name.strip_suffix("-after").map_or((name, false), |name| (name, true));
                let signal = SIGNALS.iter().find(|(known, _)| *known == name).ok_or_else(|| wrong("it is unknown"))?.1;
                Self::Signal { signal, applied }
            }
        })
    }
}

fn parse_time(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        ms.parse().ok().map(Duration::from_millis)
    } else {
        text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_survives_its_text() {
        for act in Action::all().into_iter().chain(Action::all_signals()) {
            let fault = Fault { method: Some("PUT".into()), ..Fault::at(3, act) };
            assert_eq!(fault.to_string().parse(), Ok(fault.clone()), "{fault}");
        }
    }

    #[test]
    fn text_in_all_its_parts() {
        let text = "github:GET~/public-key:2x3:status=429,retry-after=2,body={\"a\":1,\"b\":\"x:y\"}";
        let fault: Fault = text.parse().unwrap();
        assert_eq!(fault.to_string(), text);
        assert_eq!((fault.who, fault.nth, fault.times), (Some(Server::GitHub), 2, 3));
        assert_eq!(fault.path_contains.as_deref(), Some("/public-key"));
        let second: Fault = "issuer:*:1:apply-late=20s".parse().unwrap();
        assert_eq!(second.act, Action::ApplyLate(Duration::from_secs(20)));
        for wrong in ["", "github", "moon:*:1:kill", "any:*:0:kill", "any:*:1:kil", "any:*:1:kill=3", "any:*:1:delay"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_fault_counts_its_own_requests() {
        let mut plan = Plan::default();
        plan.add("github:PUT:2x2:null".parse().unwrap());
        plan.add("any:*:4:empty".parse().unwrap());
        plan.add("issuer:*:1:kill".parse().unwrap());
        let answers: Vec<_> = (0..5).map(|_| plan.arrive(Server::GitHub, "PUT", "/x")).collect();
        assert_eq!(answers, [None, Some(Action::Null), Some(Action::Null), Some(Action::Empty), None]);
        assert_eq!(plan.unused().len(), 1);
    }
}
