//! The sample data the app starts with. Phone numbers are from ranges kept for fiction.

/// Account, name, company, phone, e-mail.
pub(super) type Person = (Option<&'static str>, &'static str, &'static str, &'static str, &'static str);

/// The customers, numbered from 1.
pub(super) const PEOPLE: &[Person] = &[
    (Some("carl"), "Carl Brandt", "Brandt Metallbau", "+49 30 23125 401", "carl.brandt@brandt-metallbau.example"),
    (Some("clara"), "Clara Whitfield", "Whitfield & Daughters", "+44 20 7946 0321", "clara@whitfield.example"),
    (None, "Jonas Straßer", "Straßer Optik", "+49 89 99998 120", "jonas.strasser@optik.example"),
    (None, "Lucie Moreau", "Atelier Moreau", "+33 1 99 00 12 34", "lucie@atelier-moreau.example"),
    (None, "Priya Nair", "Nair Logistics", "+44 7700 900461", "priya.nair@nairlogistics.example"),
    (None, "Ben O'Connor", "Harbour Bikes", "+1 212 555 0147", "ben@harbourbikes.example"),
    (None, "Fatima El Amrani", "Amrani \"Fresh\" Foods", "+33 6 39 98 45 67", "fatima@amranifoods.example"),
    (None, "Henrik Vogel", "Vogel, Söhne & Co", "+49 40 66969 552", "henrik.vogel@vogel-soehne.example"),
    (None, "Grace Park", "Parkside Dental", "(415) 555-0188", "grace.park@parksidedental.example"),
    (None, "Tomasz Zielinski", "Zielinski Print", "0221 4710 777", "tomasz@zielinski-print.example"),
    (None, "Emily Hart", "Hartwood School", "020 7946 0855", "office@hartwood.example"),
    (None, "Mateo Ruiz", "Ruiz Studio", "+1-312-555-0119", "mateo@ruizstudio.example"),
];

/// One seeded message: who writes, whether staff, the text.
pub(super) type Line = (&'static str, bool, &'static str);

/// Requester, subject, status, conversation.
pub(super) type Case = (u64, &'static str, &'static str, &'static [Line]);

/// The tickets, numbered from 1001.
pub(super) const CASES: &[Case] = &[
    (
        1,
        "Invoice shows the wrong address",
        "pending",
        &[
            (
                "Carl Brandt",
                false,
                "Hello, the last invoice still has our old address. The photo shows it. You can reach me at +49 30 23125 401.",
            ),
            ("Amir Haddad", true, "Thank you, I have asked accounting to send a new one."),
        ],
    ),
    (
        2,
        "Cannot open the delivery note",
        "open",
        &[(
            "Clara Whitfield",
            false,
            "The delivery note opens as an empty page. I attached the directions you asked for.",
        )],
    ),
    (
        3,
        "Two lenses missing from the order",
        "open",
        &[("Jonas Straßer", false, "Two of the twelve lenses were missing. Please call 089 99998 120 before noon.")],
    ),
    (
        4,
        "Change of contact person",
        "closed",
        &[
            ("Lucie Moreau", false, "Please write to lucie@atelier-moreau.example from now on."),
            ("Ava Lindqvist", true, "Changed. Have a good week!"),
        ],
    ),
    (5, "Where is shipment 88213?", "open", &[("Priya Nair", false, "Tracking has said \"in transit\" for six days.")]),
    (
        6,
        "Refund for a double charge",
        "pending",
        &[
            ("Ben O'Connor", false, "My card was charged twice on the 3rd."),
            ("Amir Haddad", true, "The second charge will be returned within five days."),
        ],
    ),
    (
        8,
        "Question about the yearly plan",
        "open",
        &[("Henrik Vogel", false, "Does the yearly plan include phone support? Mine: 040 66969 552.")],
    ),
    (
        9,
        "Password mail never arrives",
        "open",
        &[("Grace Park", false, "I tried three times and looked in the spam folder.")],
    ),
    (
        1,
        "Please add a second user",
        "closed",
        &[
            ("Carl Brandt", false, "My colleague needs access as well."),
            ("Ava Lindqvist", true, "Done, she has a mail with the details."),
        ],
    ),
    (11, "Quote for 40 licences", "open", &[("Emily Hart", false, "We would like a quote for 40 licences by Friday.")]),
];
