//! A profile exactly as its author writes it: how one app works, told without naming any
//! organisation. `docs/profiles.md` tells how to write one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::{Named, OneOrMany};

/// The description of an app: its sign-in, its areas and what its routes do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileFile {
    /// The profile's name.
    pub profile: String,
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub format: u32,
    /// The versions of the app that tests have driven through it.
    #[serde(default)]
    pub tested_with: Vec<String>,
    /// One sentence about the app.
    pub about: Option<String>,
    /// The ways people sign in.
    #[serde(default)]
    pub realms: Named<RealmFile>,
    /// Credentials of programs: where the app takes them.
    #[serde(default)]
    pub api_credentials: Named<ApiCredentialFile>,
    /// Which part of the app a path belongs to; the most specific pattern wins.
    #[serde(default)]
    pub areas: AreasFile,
    /// Requests that pages make by themselves: they never count as a person's activity.
    #[serde(default)]
    pub background: Vec<String>,
    /// What the app's routes do, by names of your choice.
    #[serde(default)]
    pub routes: Named<RouteFile>,
    /// Where personal data is in the app's answers, by the name of the field: `phone`, `email`, or one of
    /// your own such as `customer_name`.
    #[serde(default)]
    pub fields: Named<FieldFile>,
    /// The ways by which customers reach the desk, where policies should be able to differ. The one
    /// that fits a request best is its channel.
    #[serde(default)]
    pub channels: Named<ChannelFile>,
    /// What the app's own scripts get instead of a page when a request of theirs is refused: `json` or `text`. Programs
    /// with a key, and whoever calls in the area `api`, always get JSON.
    #[serde(default)]
    pub script_refusals: ScriptRefusals,
    /// Where the app departs from the ordinary.
    #[serde(default)]
    pub quirks: QuirksFile,
}

/// What scripts get when a request of theirs is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScriptRefusals {
    /// `application/problem+json`, with the text for people in `error` and `message`.
    #[default]
    Json,
    /// `text/plain`: the text for people, where scripts show what they are sent as it is.
    Text,
}

/// A way to sign in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RealmFile {
    /// What carries the session: `cookie NAME`, `cookie ~ PATTERN` (a regular expression for the
    /// whole name), `header NAME`, or `own` (the app has nothing that can serve: the gateway sets
    /// a cookie of its own).
    pub session: String,
    /// Whether the app takes names that differ in upper and lower case only for one person's. Absent: `exact`.
    #[serde(default)]
    pub user_names: UserNames,
    /// The requests that sign in.
    pub login: OneOrMany<LoginFile>,
    /// The page to send people to who must sign in. `{return}` stands for where they wanted to go.
    pub login_page: Option<String>,
    /// The requests that sign out.
    pub logout: Option<LogoutFile>,
    /// Requests the gateway makes with a session's credential to learn who it is.
    #[serde(default)]
    pub whoami: Vec<WhoamiFile>,
    /// Parameters that sign in on *any* URL, in the query or a form. Requests that carry both are
    /// refused everywhere but on the login routes.
    pub sign_in_parameters: Option<SignInParametersFile>,
    /// How the app's own scripts learn that a session is over.
    pub expired_looks_like: Option<ExpiredFile>,
}

/// How an app compares user names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserNames {
    /// `Dana` and `dana` are two people.
    #[default]
    Exact,
    /// `Dana` and `dana` are one.
    Folded,
}

/// One request that signs in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginFile {
    /// The request: `POST /login/`.
    #[serde(rename = "match")]
    pub matches: OneOrMany<String>,
    /// Where the user name is: `form username`, `json /user`, `query user`, `param user`.
    pub user: OneOrMany<String>,
    /// Where the password is, so that nothing ever records it.
    pub password: Option<OneOrMany<String>>,
    /// How success looks; all must hold: `status 302`, `cookie new`, `header NAME`,
    /// `header NAME = VALUE`, `redirect ~ PATTERN`, `text "..."`, `no text "..."`, `json /pointer`,
    /// `json /pointer = VALUE`, `whoami`.
    pub succeeded: OneOrMany<String>,
    /// Where the page stands that a person wanted, `param next`, when the app does not follow a path there by itself: a
    /// sign-in that worked then goes on to it instead of where the app redirects.
    pub returns_to: Option<String>,
    /// What it opens: a `session`, or `nothing` that a browser could use (an API token is handed out).
    #[serde(default)]
    pub opens: Opens,
}

/// What a login hands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Opens {
    /// A session.
    #[default]
    Session,
    /// Something else, such as an API token: failures are counted, no session begins.
    Nothing,
}

/// How to sign out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutFile {
    /// The requests that sign out.
    #[serde(rename = "match")]
    pub matches: OneOrMany<String>,
    /// The request by which the gateway itself ends a session in the app.
    pub call: Option<LogoutCallFile>,
}

/// A request of the gateway's own, made with the session's credential. `{nonce}` in a value stands
/// for 64 random characters, the same everywhere in one call: enough for double-submit CSRF checks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutCallFile {
    /// Method and path: `POST /logout/`.
    pub request: String,
    /// Further cookies.
    #[serde(default)]
    pub cookies: Named<String>,
    /// Further headers.
    #[serde(default)]
    pub headers: Named<String>,
}

/// One request that tells whose session it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoamiFile {
    /// The path to get.
    pub get: String,
    /// Where the user name is in the answer: `text ~ PATTERN` (its first group), `json /pointer`,
    /// `header NAME`. When it is not there, the session is nobody's as far as this request tells.
    pub user: String,
    /// Names of groups that the answer holds, same forms.
    pub app_group: Option<OneOrMany<String>>,
    /// Groups by evidence: the person is in the group when the source finds something.
    #[serde(default)]
    pub groups: Named<String>,
}

/// The names of parameters that sign in anywhere.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInParametersFile {
    /// The user's.
    pub user: String,
    /// The password's.
    pub password: String,
}

/// What a script of the app's expects when the session is over.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpiredFile {
    /// The status, such as 403.
    pub status: Option<u16>,
    /// The JSON body.
    pub json: Option<serde_json::Value>,
}

/// A credential that programs send.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiCredentialFile {
    /// Where the app takes it: `header NAME`, `header Authorization SCHEME` (such as `Token` or
    /// `Bearer`), `basic`, `query NAME`.
    pub at: String,
}

/// The three parts of an app that policies speak of.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AreasFile {
    /// Where agents and administrators work.
    pub management: Vec<String>,
    /// Where programs call.
    pub api: Vec<String>,
    /// Everything else, and what is listed here although it lies inside one of the others.
    pub portal: Vec<String>,
}

/// Where one kind of personal data is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldFile {
    /// Its names, in upper or lower case: keys of JSON anywhere, columns of CSV, elements and attributes of XML,
    /// `Name: value` lines, properties of vCards, fields of forms.
    pub names: Vec<String>,
    /// Paths into JSON: `/results/*/requester/tel`, where `*` is any key or place in a list.
    pub json: Vec<String>,
    /// CSS selectors of HTML elements whose text it is.
    pub css: Vec<String>,
    /// Names of JSON keys whose text is Base64 and may hold it.
    pub base64: Vec<String>,
}

/// The requests of a channel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelFile {
    /// The requests, as in routes: `/widget/**`, `* /api/inboxes/7/**`.
    #[serde(rename = "match")]
    pub matches: OneOrMany<String>,
    /// Further conditions, all of which must hold: `query inbox = 7`, `header Host = chat.acme.example`.
    pub when: Option<OneOrMany<String>>,
}

/// What one kind of request does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// Its class.
    pub is: Class,
    /// What it does to a thing of that class, where `changes` should be able to speak of it.
    pub does: Option<Action>,
    /// The requests: `GET /tickets/{id}/`, `POST|PUT /x`, `* /y/**`; without a method, any.
    #[serde(rename = "match")]
    pub matches: OneOrMany<String>,
    /// Further conditions, all of which must hold: `query action = delete`, `form status = a|b`,
    /// `param x`, `json /status = deleted`, `header Accept ~ csv`, `line Status of form content = deleted`.
    pub when: Option<OneOrMany<String>>,
    /// Where the id of the thing is: `path id`, `query id`, `form id`, `json /id`.
    pub id: Option<String>,
    /// What kind of thing the id names, where that is not its class: a reply is of class `comment`, and its id that
    /// of a `ticket`. What a page showed of a thing is put back into requests about the same thing only.
    pub thing: Option<String>,
    /// Fields in which people write something new, such as `form comment`, `json /note` or `param text`; in a name `*`
    /// stands for any text. There a mask may be quoted; everywhere else it is put back, left out, or refused.
    pub new_text: Option<OneOrMany<String>>,
    /// What the app does with fields that a request leaves out. Absent: not known, so that none is left out.
    pub omitted: Option<Omitted>,
    /// `needed` where the app would serve it without a session as well, such as a socket with a token of its own, and
    /// nobody else should have it.
    pub session: Option<NeedsSession>,
    /// For a `WebSocket`: the messages that a person sends, such as `json /type = message` or `text "typed:"`; each is
    /// activity of the session. Absent: what a socket sends is none, since scripts send by themselves. The app is not
    /// offered compression then, so that messages can be read.
    pub activity: Option<OneOrMany<String>>,
    /// Where the user name of the thing's owner is, if the request tells.
    pub owner: Option<String>,
    /// Where the name of the file is, when the body is a file as it is and not a form: `path name`,
    /// `query filename`, `header X-File-Name`.
    pub file_name: Option<String>,
    /// Where a whole mail is, such as `form message`: whom its head names counts as `to`, and its files
    /// are files that are sent.
    pub message: Option<String>,
    /// Where details of the customer are that would go out with it. `forwarding.customer_details:
    /// remove` empties these fields.
    pub details: Option<OneOrMany<String>>,
    /// Where the text is that goes out. `forwarding.customer_details: remove` masks personal data in it.
    pub text: Option<OneOrMany<String>>,
    /// The field by which the app itself leaves details out, such as `form details = no`.
    /// `forwarding.customer_details: remove` sets it.
    pub without_details: Option<String>,
    /// Where the words are that are searched for, such as `query q`. `masking.searching` speaks of them.
    pub search: Option<OneOrMany<String>>,
    /// Where addresses of third parties are.
    pub to: Option<OneOrMany<String>>,
}

/// Whether a request must come with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NeedsSession {
    /// Without one it is refused.
    Needed,
}

/// What an app does with a field that a request leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Omitted {
    /// It keeps what it has.
    Kept,
    /// It takes it for empty.
    Emptied,
}

/// The classes of routes that policies speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names are the documentation; docs/profiles.md tells each
pub enum Class {
    Login,
    Logout,
    SecondFactor,
    PasswordChange,
    PasswordReset,
    SignUp,
    ProfilePage,
    OwnProfile,
    Page,
    Ticket,
    Comment,
    Topic,
    Conversation,
    Recording,
    Appointment,
    ContactForm,
    Statistics,
    WidgetSettings,
    CustomerProfile,
    CustomerSearch,
    SubjectExport,
    Export,
    BulkRead,
    Media,
    Upload,
    Forward,
    Cc,
    Collaborator,
    Transcript,
    ChangeCustomerEmail,
    AnonymousPost,
    TicketAuthentication,
    ChatPost,
    Enrichment,
    AdminSettings,
    Background,
    Static,
    Unclassified,
}

impl Class {
    /// Every class.
    pub fn all() -> impl Iterator<Item = Self> {
        // Written from their words: the one list of them there is.
        CLASS_WORDS.iter().filter_map(|word| serde_json::from_value((*word).into()).ok())
    }

    /// The word of the policy, of records and of metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        CLASS_WORDS[self as usize]
    }
}

const CLASS_WORDS: [&str; 38] = [
    "login",
    "logout",
    "second_factor",
    "password_change",
    "password_reset",
    "sign_up",
    "profile_page",
    "own_profile",
    "page",
    "ticket",
    "comment",
    "topic",
    "conversation",
    "recording",
    "appointment",
    "contact_form",
    "statistics",
    "widget_settings",
    "customer_profile",
    "customer_search",
    "subject_export",
    "export",
    "bulk_read",
    "media",
    "upload",
    "forward",
    "cc",
    "collaborator",
    "transcript",
    "change_customer_email",
    "anonymous_post",
    "ticket_authentication",
    "chat_post",
    "enrichment",
    "admin_settings",
    "background",
    "static",
    "unclassified",
];

/// What a request does to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes it.
    Create,
    /// Alters it.
    Edit,
    /// Removes it.
    Delete,
}

impl Action {
    /// The word of the policy and of records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
        }
    }
}

/// Where the app departs from the ordinary.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuirksFile {
    /// The characters that separate query parameters. Default `["&"]`.
    pub query_separators: Option<Vec<String>>,
    /// Where a POST can say that it is another method: `form _method`, `query _method`,
    /// `header X-HTTP-Method-Override`.
    pub method_override: Vec<String>,
    /// Suffixes that the app accepts on any path to choose a format, such as `.json`.
    pub format_suffixes: Vec<String>,
    /// Paths are the same in upper and lower case.
    pub case_insensitive_paths: bool,
    /// `%2F` may stand inside a path segment (and is kept as it is).
    pub encoded_slash: bool,
    /// `;` may stand in a path (and means nothing there).
    pub semicolon_in_path: bool,
    /// `//` may stand in a path (and is kept as it is).
    pub empty_segments: bool,
    /// `%25` may stand in a path: the app decodes once, so it is an ordinary character.
    pub encoded_percent: bool,
    /// The app reads a chunked request body as empty: bodies are sent with Content-Length.
    pub needs_content_length: bool,
    /// The app checks that `Referer` and `Origin` name its own address: they are rewritten to it.
    pub referer_is_upstream: bool,
    /// The app is told its own address as `Host`, not the public one.
    pub host_is_upstream: bool,
    /// Pages send browsers to the app's own address (`<meta http-equiv=refresh>`): pages are read, and the public one is
    /// written instead.
    pub pages_name_upstream: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_words_are_the_serialised_ones() {
        for (index, word) in CLASS_WORDS.iter().enumerate() {
            let class: Class = serde_json::from_value((*word).into()).unwrap();
            assert_eq!((class as usize, class.as_str()), (index, *word));
        }
    }
}
