//! A GitHub App: who signs as it, where it is installed, the tokens that it mints.
//!
//! Checked as GitHub's pages "Generating a JSON Web Token (JWT) for a GitHub App" and "REST API endpoints for GitHub Apps"
//! say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::{signed, whole_seconds};
use crate::github::{Access, GitHub, Permission, Place, Token, TokenKind};

/// GitHub takes no JSON Web Token that lives longer.
const LONGEST_JWT: i64 = 600;
/// A token can be narrowed to so many repositories.
const MAX_REPOSITORIES: usize = 500;
/// Bytes of a PKCS#8 key before the PKCS#1 key in it, for RSA with 2,048 bits.
const PKCS8_HEAD: usize = 26;

/// A GitHub App.
#[derive(Clone, Debug)]
pub struct App {
    /// Its client id.
    pub client_id: String,
    /// Its number.
    pub number: u64,
    /// The public half of its key, PKCS#1 in DER.
    pub public_key: Vec<u8>,
    /// Where it is installed, by the installation's number.
    pub installations: BTreeMap<u64, Installation>,
    /// How long its tokens live. GitHub: an hour.
    pub token_lifetime: Duration,
}

/// Where an App is installed.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The user or organisation.
    pub account: String,
    /// What it may do there: `secrets` to `write`.
    pub permissions: BTreeMap<String, String>,
    /// The repositories that it reaches; `None`: all of the account's.
    pub only: Option<BTreeSet<Place>>,
    /// Suspended by an owner.
    pub suspended: bool,
}

/// What the owner of an App has in hand.
#[derive(Clone, Debug)]
pub struct AppCredentials {
    /// The client id.
    pub client_id: String,
    /// The number.
    pub number: u64,
    /// The private key as GitHub hands it out: PKCS#1 in PEM.
    pub pem: String,
    /// The same key in PKCS#8.
    pub pkcs8: String,
}

impl App {
    /// A new App that is installed nowhere, and its owner's credentials. Its key is made here: that takes some 100 ms.
    ///
    /// # Panics
    /// Where no key can be made.
    #[must_use]
    pub fn new(number: u64) -> (Self, AppCredentials) {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key pair");
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("its DER");
        let client_id = format!("Iv23li{number:014}");
        let credentials = AppCredentials {
            client_id: client_id.clone(),
            number,
            pem: pem("RSA PRIVATE KEY", &pkcs8.as_ref()[PKCS8_HEAD..]),
            pkcs8: pem("PRIVATE KEY", pkcs8.as_ref()),
        };
        let app = Self {
            client_id,
            number,
            public_key: pair.public_key().as_ref().to_vec(),
            installations: BTreeMap::new(),
            token_lifetime: Duration::from_secs(3600),
        };
        (app, credentials)
    }

    /// Installs it on an account, with these permissions, each `write`.
    pub fn install(&mut self, account: &str, permissions: &[&str]) -> u64 {
        let id = 7_000_001 + u64::try_from(self.installations.len()).expect("a number of installations");
        let permissions = permissions.iter().map(|name| ((*name).to_owned(), "write".to_owned())).collect();
        let account = account.to_owned();
        self.installations.insert(id, Installation { account, permissions, ..Installation::default() });
        id
    }

    /// The installation on an account.
    #[must_use]
    pub fn on(&self, account: &str) -> Option<(u64, &Installation)> {
        let found = self.installations.iter().find(|(_, it)| it.account.eq_ignore_ascii_case(account));
        found.map(|(id, it)| (*id, it))
    }

    /// Whether a JSON Web Token is this App's, and of now.
    ///
    /// # Errors
    /// GitHub's status and message.
    pub fn check(&self, jwt: &str, now: Timestamp) -> Result<(), (u16, &'static str)> {
        let undecodable = (401, "A JSON web token could not be decoded");
        let (message, signature) = jwt.rsplit_once('.').ok_or(undecodable)?;
        let (header, claims) = message.split_once('.').ok_or(undecodable)?;
        let part = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let (header, claims) = (part(header).ok_or(undecodable)?, part(claims).ok_or(undecodable)?);
        let issuer =
            claims["iss"].as_str().map(str::to_owned).or_else(|| claims["iss"].as_u64().map(|n| n.to_string()));
        if ![Some(self.client_id.clone()), Some(self.number.to_string())].contains(&issuer) {
            return Err((404, "Integration not found"));
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| undecodable)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        if header["alg"] != "RS256" || key.verify(message.as_bytes(), &signature).is_err() {
            return Err(undecodable);
        }
        let now = now.as_second();
        let iat = claims["iat"].as_i64().filter(|iat| *iat <= now);
        iat.ok_or((
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ))?;
        let exp = claims["exp"].as_i64().filter(|exp| *exp > now);
        let exp = exp.ok_or((
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion \
             expires",
        ))?;
        if exp > now + LONGEST_JWT {
            return Err((401, "'Expiration time' claim ('exp') is too far in the future"));
        }
        Ok(())
    }
}

impl GitHub {
    /// Registers an App, installed nowhere yet.
    pub fn add_app(&mut self) -> AppCredentials {
        let (app, credentials) = App::new(424_242);
        self.app = Some(app);
        credentials
    }

    /// Mints a token for an installation: its value, and when it ends.
    ///
    /// # Errors
    /// GitHub's status and message.
    ///
    /// # Panics
    /// Where there is no App.
    pub fn mint(&mut self, installation: u64, asked: &Value) -> Result<(String, Timestamp), (u16, &'static str)> {
        let app = self.app.as_ref().expect("an App");
        let installed = app.installations.get(&installation).ok_or((404, "Not Found"))?.clone();
        let ends = whole_seconds(self.clock.now() + signed(app.token_lifetime));
        if installed.suspended {
            return Err((403, "This installation has been suspended"));
        }
        let permissions = asked["permissions"].as_object().map_or_else(
            || installed.permissions.clone(),
            |asked| {
                asked.iter().map(|(name, level)| (name.clone(), level.as_str().unwrap_or_default().into())).collect()
            },
        );
        let granted = |(name, level): (&String, &String)| {
            installed.permissions.get(name).is_some_and(|most| most == level || most == "write")
        };
        if !permissions.iter().all(granted) {
            return Err((422, "The permissions requested are not granted to this installation."));
        }
        let is_repo = |place: &&Place| matches!(place, Place::Repo(_));
        let mut reached: Vec<Place> =
            self.places.keys().filter(is_repo).filter(|place| installed.reaches(place)).cloned().collect();
        if let Some(names) = asked["repositories"].as_array() {
            let named =
                |name: &Value| Place::repo(&format!("{}/{}", installed.account, name.as_str().unwrap_or_default()));
            let named: Vec<Place> = names.iter().map(named).collect();
            if names.len() > MAX_REPOSITORIES || named.iter().any(|place| !reached.contains(place)) {
                let message = "There is at least one repository that does not exist or is not accessible to the parent \
                               installation.";
                return Err((422, message));
            }
            reached = named;
        }
        reached.push(Place::org(&installed.account));
        let allowed = |permission: &Permission| {
            let level = permissions.get(permission.word())?;
            Some((*permission, if level == "write" { Access::Write } else { Access::Read }))
        };
        let number = self.tokens.len();
        let value = token_value(self.app.as_ref().map_or(0, |app| app.number), number);
        let token = Token {
            role: format!("minted for {}, {number}", installed.account),
            kind: TokenKind::Installation(installation),
            places: reached.into_iter().map(|place| (place, Access::Write)).collect(),
            permissions: Some(Permission::ALL.iter().filter_map(allowed).collect()),
            expires: Some(ends),
            ..Token::default()
        };
        self.tokens.insert(value.clone(), token);
        Ok((value, ends))
    }
}

impl Installation {
    /// Whether the App reaches a place through it.
    #[must_use]
    pub fn reaches(&self, place: &Place) -> bool {
        let owner = place.repository().and_then(|name| name.split('/').next()).unwrap_or_default();
        owner.eq_ignore_ascii_case(&self.account) && self.only.as_ref().is_none_or(|only| only.contains(place))
    }
}

/// About 520 characters, a stateless token since April 2026: GitHub's page "Generating an installation access token for a
/// GitHub App". It has the App's number in it, and is a JSON Web Token behind that.
fn token_value(app: u64, number: usize) -> String {
    let part = |length| URL_SAFE_NO_PAD.encode(letters(length));
    format!("ghs_{app}_eyJ{}.eyJ{}{number:04}.{}", part(24), part(140), part(206))
}

fn letters(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|from| &body[from..(from + 64).min(body.len())]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
