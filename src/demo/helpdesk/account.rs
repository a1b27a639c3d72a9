//! Who can sign in.

/// A person (or program) who can sign in.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// Name typed into the sign-in form.
    pub name: &'static str,
    /// Password typed into the sign-in form.
    pub password: &'static str,
    /// `manager`, `agent`, `customer` or `program`.
    pub role: &'static str,
    /// First and last name, shown on pages.
    pub full_name: &'static str,
    /// What this account is, in a few words.
    pub about: &'static str,
}

/// Everybody who can sign in.
pub const ACCOUNTS: &[Account] = &[
    Account {
        name: "mona",
        password: "sunflower",
        role: "manager",
        full_name: "Mona Keller",
        about: "manager: everything agents do, and the settings",
    },
    Account {
        name: "amir",
        password: "bluebird",
        role: "agent",
        full_name: "Amir Haddad",
        about: "agent: answers tickets",
    },
    Account {
        name: "ava",
        password: "riverbank",
        role: "agent",
        full_name: "Ava Lindqvist",
        about: "agent: answers tickets",
    },
    Account {
        name: "carl",
        password: "teapot",
        role: "customer",
        full_name: "Carl Brandt",
        about: "customer: sees his own tickets in the portal",
    },
    Account {
        name: "clara",
        password: "lantern",
        role: "customer",
        full_name: "Clara Whitfield",
        about: "customer: sees her own tickets in the portal",
    },
];

/// The key the accounting program sends as `X-API-Key`.
pub const ERP_KEY: &str = "tinydesk-erp-key-0001";

/// The accounting program, known by its key and unable to sign in.
pub(super) static ERP: Account = Account {
    name: "erp",
    password: "",
    role: "program",
    full_name: "Accounting",
    about: "program: uses the JSON API with a key",
};

impl Account {
    /// The account with this name and password.
    pub(super) fn check(name: &str, password: &str) -> Option<&'static Self> {
        ACCOUNTS.iter().find(|a| a.name == name && a.password == password)
    }

    /// Whether this is an agent or the manager.
    pub(super) fn is_staff(&self) -> bool {
        matches!(self.role, "agent" | "manager")
    }

    /// Whether this is the manager.
    pub(super) fn is_manager(&self) -> bool {
        self.role == "manager"
    }

    /// Whether this is a customer.
    pub(super) fn is_customer(&self) -> bool {
        self.role == "customer"
    }

    /// Whether the whole JSON API is open to this account.
    pub(super) fn has_full_api(&self) -> bool {
        self.is_staff() || self.role == "program"
    }

    /// The groups this account is in.
    pub(super) fn groups(&self) -> &'static [&'static str] {
        match self.role {
            "manager" => &["managers"],
            "agent" => &["agents"],
            "customer" => &["customers"],
            _ => &["programs"],
        }
    }

    /// Where this account starts after signing in.
    pub(super) fn home(&self) -> &'static str {
        if self.is_staff() { "/agent/" } else { "/portal/" }
    }
}
