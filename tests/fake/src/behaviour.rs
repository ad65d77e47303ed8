//! How one issuer differs from another, as data: set the fields that a test is about, leave the rest.

use std::time::Duration;

use serde_json::Value;

/// Which of the documented APIs the issuer speaks: ARouter's three, or OpenRouter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `/api/v1/keys`, managed with a management key, everything shown.
    Mgmt,
    /// `/v1/keys`, live keys manage themselves, little shown, no PATCH.
    Guide,
    /// `/api/v1/keys` with `limit_usd`, a flat answer to create, and a PATCH that knows no `name`.
    Overview,
    /// OpenRouter's: as `Mgmt`, without allow-lists, with masked labels, public models and workspaces.
    OpenRouter,
}

/// What comes of a PATCH that asks for another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// The key is renamed.
    Works,
    /// Success is answered and the name stays.
    Ignored,
    /// There is no PATCH; this status is answered (404 or 405).
    NoSuchCall(u16),
}

/// The form of an error's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// `{"error":{"message","type"}}`
    Typed,
    /// `{"error":{"code":402,"message","metadata"}}`
    Numbered,
    /// `{"error":{"code":"quota_exceeded","message"}}`
    Named,
    /// `{"code","message","details"}`
    Flat,
    /// A proxy's page.
    Html,
}

/// The answer to a successful delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAnswer {
    /// `{"data":{"deleted":true}}`
    Wrapped,
    /// `{"deleted":true}`
    Flat,
    /// 204 without a body.
    NoContent,
}

/// One way in which a new key gets wider rights than were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wider {
    /// Any provider.
    IgnoresProviders,
    /// Any model.
    IgnoresModels,
    /// Twice the limit.
    DoublesLimit,
    /// No limit.
    IgnoresLimit,
    /// The limit starts anew every day.
    ResetsDaily,
    /// It never expires.
    IgnoresExpiry,
    /// No rate limit.
    DropsRateLimit,
    /// Assigning a guardrail is answered with success and does nothing.
    IgnoresGuardrails,
}

/// One way in which a new key gets narrower rights than were asked for, or is no key of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrower {
    /// One provider alone.
    OneProvider,
    /// One model alone.
    OneModel,
    /// Half the limit, and a limit where there was none.
    HalvesLimit,
    /// The limit never starts anew.
    NeverResets,
    /// It ends after a day.
    EndsSoon,
    /// Half the requests a minute.
    HalvesRateLimit,
    /// It is switched off.
    Disabled,
    /// It manages keys.
    Management,
}

/// The switches of an issuer.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Which API it speaks.
    pub dialect: Dialect,
    /// How values of live keys begin.
    pub live_prefix: &'static str,
    /// How values of management keys begin.
    pub management_prefix: &'static str,
    /// Where models and chat are: `/v1`, or `/api/v1` as at OpenRouter.
    pub inference_base: &'static str,
    /// Body fields that create takes. Others are ignored, as a real server does. Fields that the model has no meaning
    /// for (`workspace_id`) are kept and shown as they came.
    pub create_takes: Vec<&'static str>,
    /// Whether create answers with the id of the oldest key in place of the new one's.
    pub create_answers_first_id: bool,
    /// Whether create answers with the key's row, in the dialects that say so.
    pub create_shows_row: bool,
    /// Whose value create answers in place of the new key's: that of the oldest key whose name begins so.
    pub create_answers_value_of: Option<&'static str>,
    /// Whether create answers with another id than the one that the list shows for the new key.
    pub create_answers_unlisted_id: bool,
    /// The status of a successful create.
    pub create_status: u16,
    /// Ways in which new keys are wider than asked.
    pub wider: Vec<Wider>,
    /// Ways in which new keys are narrower than asked.
    pub narrower: Vec<Narrower>,
    /// Fields that new keys have although nobody asked for them.
    pub adds_fields: Vec<(&'static str, Value)>,
    /// How long after its creation a key starts to work.
    pub activation_delay: Duration,
    /// How long a key that was deleted or switched off is still accepted where keys are tried.
    pub forgets_after: Duration,
    /// Whether a PATCH can rename.
    pub rename: Rename,
    /// The answer to a delete.
    pub delete_answer: DeleteAnswer,
    /// The list shows the state of this long ago. More than zero breaks "the list is current".
    pub list_lag: Duration,
    /// Rows of a page when the request does not say.
    pub page_size: usize,
    /// The most rows of a page, whatever the request says.
    pub page_cap: usize,
    /// Whether a page names the next one (`next_page_token`).
    pub next_page_token: bool,
    /// Whether the list honours `offset`; otherwise every request without a token brings the first page.
    pub honours_offset: bool,
    /// The list shows keys that have expired only where `include_expired` asks for them.
    pub hides_expired: bool,
    /// The order of the list.
    pub newest_first: bool,
    /// Whether rows show limits in whole cents and models without their provider.
    pub rounds_and_shortens: bool,
    /// Whether rows leave out what is null or empty.
    pub omit_unset: bool,
    /// Whether times have milliseconds.
    pub fractional_times: bool,
    /// Whether a new key's label is its masked value.
    pub masked_labels: bool,
    /// Whether rows show `last_used_at`.
    pub shows_last_used: bool,
    /// Whether rows show `updated_at` (never in the dialects `Guide` and `Overview`).
    pub shows_updated: bool,
    /// Whether rows show `allowed_providers` and `allowed_models`.
    pub shows_allow_lists: bool,
    /// Whether rows show `key_type`.
    pub shows_kind: bool,
    /// Whether keys show what OpenRouter's alone have: use of the account's own provider keys, the creator, the workspace.
    pub shows_openrouter: bool,
    /// Whether `…/guardrails` exists.
    pub has_guardrails: bool,
    /// Whether a key may have several guardrails. Otherwise the last one that is assigned replaces the others, as
    /// OpenRouter's SDK says.
    pub several_guardrails: bool,
    /// The id of a guardrail that every new key has.
    pub guards_new_keys: Option<String>,
    /// Whether `GET …/key` exists.
    pub has_key_endpoint: bool,
    /// Whether the answer of `GET …/key` has the key's `hash` and `name`.
    pub key_endpoint_identifies: bool,
    /// Whether `GET …/models` lets anyone in.
    pub models_open: bool,
    /// Whether `GET …/models` lets in whatever has the form of a value. New values are hexadecimal then.
    pub models_check_form: bool,
    /// Whether listing models counts as use of the key.
    pub models_count_as_use: bool,
    /// The form of errors.
    pub error_style: ErrorStyle,
    /// Whether an error's text repeats the value that asked.
    pub echo_key_in_errors: bool,
    /// Text that replaces every error's message.
    pub hostile_text: Option<String>,
}

impl Behaviour {
    /// The dialect with most support, at its documented defaults.
    #[must_use]
    pub fn mgmt() -> Self {
        Self {
            dialect: Dialect::Mgmt,
            live_prefix: "lr_live_",
            management_prefix: "lr_mgmt_",
            inference_base: "/v1",
            create_takes: vec![
                "limit",
                "limit_reset",
                "expires_at",
                "allowed_providers",
                "allowed_models",
                "rate_limit",
            ],
            create_answers_first_id: false,
            create_shows_row: true,
            create_answers_value_of: None,
            create_answers_unlisted_id: false,
            create_status: 200,
            wider: Vec::new(),
            narrower: Vec::new(),
            adds_fields: Vec::new(),
            activation_delay: Duration::ZERO,
            forgets_after: Duration::ZERO,
            rename: Rename::Works,
            delete_answer: DeleteAnswer::Wrapped,
            list_lag: Duration::ZERO,
            page_size: 50,
            page_cap: 100,
            next_page_token: false,
            honours_offset: true,
            hides_expired: false,
            newest_first: true,
            rounds_and_shortens: false,
            omit_unset: false,
            fractional_times: false,
            masked_labels: false,
            shows_last_used: false,
            shows_updated: true,
            shows_allow_lists: true,
            shows_kind: true,
            shows_openrouter: false,
            has_guardrails: false,
            several_guardrails: false,
            guards_new_keys: None,
            has_key_endpoint: true,
            key_endpoint_identifies: false,
            models_open: false,
            models_check_form: false,
            models_count_as_use: false,
            error_style: ErrorStyle::Typed,
            echo_key_in_errors: false,
            hostile_text: None,
        }
    }

    /// The rotation guide's dialect.
    #[must_use]
    pub fn guide() -> Self {
        Self {
            dialect: Dialect::Guide,
            create_takes: vec!["allowed_providers", "spending_limit"],
            rename: Rename::NoSuchCall(405),
            shows_last_used: true,
            has_key_endpoint: false,
            ..Self::mgmt()
        }
    }

    /// The dialect of the page about management keys.
    #[must_use]
    pub fn overview() -> Self {
        Self {
            dialect: Dialect::Overview,
            management_prefix: "lr_admin_",
            create_takes: vec!["limit_usd", "rate_limit", "allowed_providers", "allowed_models", "label"],
            rename: Rename::Ignored,
            masked_labels: true,
            shows_last_used: true,
            ..Self::mgmt()
        }
    }

    /// OpenRouter.
    #[must_use]
    pub fn openrouter() -> Self {
        Self {
            dialect: Dialect::OpenRouter,
            live_prefix: "sk-or-v1-",
            management_prefix: "sk-or-v1-",
            inference_base: "/api/v1",
            create_takes: vec![
                "limit",
                "limit_reset",
                "expires_at",
                "include_byok_in_limit",
                "creator_user_id",
                "workspace_id",
            ],
            create_status: 201,
            delete_answer: DeleteAnswer::Flat,
            page_size: 100,
            hides_expired: true,
            masked_labels: true,
            shows_allow_lists: false,
            shows_kind: false,
            shows_openrouter: true,
            has_guardrails: true,
            models_open: true,
            error_style: ErrorStyle::Numbered,
            ..Self::mgmt()
        }
    }

    /// The documented defaults of a dialect.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Mgmt => Self::mgmt(),
            Dialect::Guide => Self::guide(),
            Dialect::Overview => Self::overview(),
            Dialect::OpenRouter => Self::openrouter(),
        }
    }
}
