# RT 5 site configuration of the lab. Values come from the environment where a test may want to vary them.
use utf8;
my $base = $ENV{LAB_RT_HOME} or die 'set LAB_RT_HOME (env.sh does)';
Set($rtname, 'lab.example');
Set($Organization, 'lab.example');
Set($Timezone, 'UTC');
Set($OwnerEmail, 'root@helpdesk.example');
Set($CorrespondAddress, 'support@helpdesk.example');
Set($CommentAddress, 'support-comment@helpdesk.example');
# What RT believes its own address is: used for redirects, links, the Referer check
Set($WebDomain, $ENV{LAB_RT_DOMAIN} || '127.0.0.1');
Set($WebPort, $ENV{LAB_RT_PORT} || 18102);
Set($WebPath, $ENV{LAB_RT_PATH} || '');
Set($CanonicalizeRedirectURLs, $ENV{LAB_RT_CANONICALIZE} || 0);
Set(@ReferrerWhitelist, split /,/, $ENV{LAB_RT_REFERRERS} || '');
Set($RestrictReferrer, defined $ENV{LAB_RT_RESTRICT_REFERRER} ? $ENV{LAB_RT_RESTRICT_REFERRER} : 1);
Set($WebSecureCookies, $ENV{LAB_RT_SECURE_COOKIES} || 0);
Set($AutoLogoff, $ENV{LAB_RT_AUTOLOGOFF} || 0);
Set($DatabaseType, 'SQLite');
Set($DatabaseName, "$base/data/rt5.sqlite");
# mail is written to files under data/mail, nothing is ever sent
Set($MailCommand, 'sendmailpipe');
Set($SendmailPath, "$ENV{LAB_RT_SCRIPTS}/fake-sendmail");
Set($NotifyActor, 0);
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($LogToFile, 'warning');
Set($LogDir, "$base/run");
Set($LogToFileNamed, 'rt.log');
Set($SelfServiceUserPrefs, 'edit-prefs');   # customers may change their own password
Set($MoreAboutRequestorsExtraInfo, "WorkPhone, MobilePhone, HomePhone, EmailAddress, Organization");   # phones on the ticket page
Set($UserSummaryExtraInfo, "RealName, Organization, Address1, City, WorkPhone, HomePhone, MobilePhone, EmailAddress");
Set($MinimumPasswordLength, 5);
$RT::MasonDataDir    = "$base/data/mason_data";
$RT::MasonSessionDir = "$base/data/session_data";
$RT::VarPath         = "$base/data/var";
1;
