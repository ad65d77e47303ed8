//! What helps against a refusal whose reason GitHub states in its own words, which no permission of a token does.

/// Words of GitHub's messages in small letters, and what to do: its pages "Managing allowed IP addresses for your
/// organization", "Archiving repositories", "Authorizing a personal access token for use with single sign-on" and "Suspending a
/// GitHub App installation", and messages as people report them.
const REASONS: [(&str, &str); 8] = [
    (
        "ip allow list",
        "Add the runner's address to the organisation's IP allow list, or run where the address is on it already.",
    ),
    ("archived", "Unarchive the repository, or take it out of the targets."),
    ("saml", "Authorise the token for the organisation's single sign-on, in the token's settings."),
    ("single sign-on", "Authorise the token for the organisation's single sign-on, in the token's settings."),
    ("is locked", "Ask an owner of the organisation to unlock it: its billing page says why it is locked."),
    ("has been locked", "Ask an owner of the organisation to unlock it: its billing page says why it is locked."),
    ("access blocked", "Ask GitHub's support why the repository is blocked, or take it out of the targets."),
    ("suspended", "Lift the suspension: of an App in the organisation's settings, of an account by GitHub's support."),
];

/// What to do about a refusal for this reason; `None` where the reason is none of these.
pub(super) fn remedy(said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    REASONS.into_iter().find(|(words, _)| said.contains(words)).map(|(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_its_own_remedy() {
        let allow_list = "Although you appear to have the correct authorization credentials, the `acme` organization has an \
                          IP allow list enabled, and your IP address is not permitted to access this resource.";
        for (said, remedy_is) in [
            (allow_list, Some("runner's address")),
            ("Repository was archived so is read-only.", Some("Unarchive")),
            ("Resource protected by organization SAML enforcement.", Some("single sign-on")),
            ("This organization is locked because of a billing issue", Some("unlock it")),
            ("Repository access blocked", Some("support")),
            ("This installation has been suspended", Some("suspension")),
            ("Resource not accessible by personal access token", None),
            ("", None),
        ] {
            let told = remedy(said);
            assert_eq!(told.is_some(), remedy_is.is_some(), "{said}");
            assert!(told.unwrap_or_default().contains(remedy_is.unwrap_or_default()), "{said}");
        }
    }
}
