
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'coms' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'coms'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'coms' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('adopt', 'adopt', [CompletionResultType]::ParameterValue, 'Take over a database of the Go reference server')
            [CompletionResult]::new('dev', 'dev', [CompletionResultType]::ParameterValue, 'Try it out: a server, a Central of its own, and two people''s tokens, all on this machine')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write the configuration: ask for what is needed, make the keys, check everything')
            [CompletionResult]::new('keygen', 'keygen', [CompletionResultType]::ParameterValue, 'Make a key pair for a server, as lines of a `.env` file')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the server')
            [CompletionResult]::new('verify-chain', 'verify-chain', [CompletionResultType]::ParameterValue, 'Check that a server''s log is whole, signed, and still the one that was seen before')
            [CompletionResult]::new('search', 'search', [CompletionResultType]::ParameterValue, 'Find messages by what they say, newest first')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Take messages away: as JSON Lines, as CSV, or as pages that any browser shows')
            [CompletionResult]::new('backup', 'backup', [CompletionResultType]::ParameterValue, 'Make a backup of the database, a server running on it or not')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring a backup back, as the configured database')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Issue and revoke tokens')
            [CompletionResult]::new('chat', 'chat', [CompletionResultType]::ParameterValue, 'Talk on a server, from a terminal or a script')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page of the program or of one command')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'coms;adopt' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write a new database and leave FILE alone, which may be in use; without this, FILE is replaced and a copy of it kept')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write a new database and leave FILE alone, which may be in use; without this, FILE is replaced and a copy of it kept')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;dev' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Keep everything in this directory')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port of the server; the next free one if it is taken')
            [CompletionResult]::new('--central-port', '--central-port', [CompletionResultType]::ParameterName, 'Port of the sandbox Central; the next free one if it is taken')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--ephemeral', '--ephemeral', [CompletionResultType]::ParameterName, 'Keep nothing: use a directory that is removed at the end')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object instead of words')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;init' {
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'The file to write')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'The file to write')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a variable without asking; for a secret `KEY=-` reads a line of standard input and `KEY=@FILE` a file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Ask nothing: take what is set, what the file has, and defaults')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Ask nothing: take what is set, what the file has, and defaults')
            [CompletionResult]::new('--replace-key', '--replace-key', [CompletionResultType]::ParameterName, 'Make a new key pair, or take the one of `--set`, although the file has another')
            [CompletionResult]::new('--check-central', '--check-central', [CompletionResultType]::ParameterName, 'Ask Central whether it knows the server, and say what it answers: exit code 1 if it does not take it, 3 if it does not answer')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;keygen' {
            [CompletionResult]::new('--from-secret', '--from-secret', [CompletionResultType]::ParameterName, 'Derive the public key of a secret one that is read from standard input')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object instead')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;serve' {
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--new-database', '--new-database', [CompletionResultType]::ParameterName, 'Serve the database although a longer or another log of this server is known on this machine')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'coms;verify-chain' {
            [CompletionResult]::new('--manifest', '--manifest', [CompletionResultType]::ParameterName, 'A running server: the URL of its manifest, or of the server')
            [CompletionResult]::new('--db', '--db', [CompletionResultType]::ParameterName, 'A database of coms or of the Go reference server; it is only read, and a server may be running on it')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'An export in JSON Lines; `-` is standard input')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'A member''s or an auditor''s token: `-` for standard input, `@FILE` for a file [env: COMS_TOKEN]')
            [CompletionResult]::new('--public-key', '--public-key', [CompletionResultType]::ParameterName, 'The server''s public key, if you know it from elsewhere: 64 hexadecimal digits')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'Keep the memory of what was seen in this file')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Check entries from this index on')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up when the server sends nothing for this many seconds')
            [CompletionResult]::new('--deadline', '--deadline', [CompletionResultType]::ParameterName, 'Give up when a server''s log is not verified after this many seconds [default: 600, and one more for each 1000 entries]')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--contents', '--contents', [CompletionResultType]::ParameterName, 'Also fetch what the messages say, and compare it with the log; needs a member''s token')
            [CompletionResult]::new('--no-state', '--no-state', [CompletionResultType]::ParameterName, 'Neither use nor keep a memory of what was seen')
            [CompletionResult]::new('--accept-head', '--accept-head', [CompletionResultType]::ParameterName, 'Take the log as it is now for the one to remember, whatever was remembered before')
            [CompletionResult]::new('--strict-signatures', '--strict-signatures', [CompletionResultType]::ParameterName, 'Check each signature by itself, by the strictest rules')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;search' {
            [CompletionResult]::new('--channel', '--channel', [CompletionResultType]::ParameterName, 'Only in this channel; repeated, in any of them')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'Only by this user, given by id or its first digits; repeated, by any of them')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only messages written before this date, time or duration ago')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only messages written at this date, time or duration ago, or later')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Show at most this many messages')
            [CompletionResult]::new('--sort', '--sort', [CompletionResultType]::ParameterName, 'What comes first')
            [CompletionResult]::new('--db', '--db', [CompletionResultType]::ParameterName, 'Read this database [default: the configured one]')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print each message as a line of JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;export' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What is written')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write this file, or for html this folder; `-` is standard output')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write this file, or for html this folder; `-` is standard output')
            [CompletionResult]::new('--channel', '--channel', [CompletionResultType]::ParameterName, 'Only messages in this channel; repeated, in any of them')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'Only messages by this user; repeated, by any of them')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Only messages written before this date, time or duration ago')
            [CompletionResult]::new('--after', '--after', [CompletionResultType]::ParameterName, 'Only messages written at this date, time or duration ago, or later')
            [CompletionResult]::new('--db', '--db', [CompletionResultType]::ParameterName, 'Read this database [default: the configured one]')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the file if it is an earlier export in the same format; nothing else is ever replaced')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;backup' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write this file, which must not be there yet; in a folder it is named for the server and the time; `-` is standard output')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write this file, which must not be there yet; in a folder it is named for the server and the time; `-` is standard output')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Afterwards keep only so many backups of this server in the folder: the new one, and the newest before it')
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'Encrypt it with the passphrase in this file; `-` is standard input')
            [CompletionResult]::new('--recipient', '--recipient', [CompletionResultType]::ParameterName, 'Encrypt it so that only the key of this age recipient opens it; repeated, the key of any of them')
            [CompletionResult]::new('--scratch', '--scratch', [CompletionResultType]::ParameterName, 'Where the copy lies until it is compressed; it takes as much room as the database [default: beside the database]')
            [CompletionResult]::new('--db', '--db', [CompletionResultType]::ParameterName, 'Read this database [default: the configured one]')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--include-secrets', '--include-secrets', [CompletionResultType]::ParameterName, 'Also take the `.env` file with the keys, so that the backup alone brings the server back; it is encrypted then')
            [CompletionResult]::new('--encrypt', '--encrypt', [CompletionResultType]::ParameterName, 'Encrypt it with a passphrase, which is asked for')
            [CompletionResult]::new('--no-check', '--no-check', [CompletionResultType]::ParameterName, 'Do not check the copy: faster, and a damage of the database goes unnoticed')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;restore' {
            [CompletionResult]::new('--passphrase-file', '--passphrase-file', [CompletionResultType]::ParameterName, 'The passphrase of an encrypted backup is in this file; `-` is standard input; without it, it is asked for')
            [CompletionResult]::new('--identity-file', '--identity-file', [CompletionResultType]::ParameterName, 'The age identity (`AGE-SECRET-KEY-1…`) that opens the backup is in this file; repeated, any of them')
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'What `coms verify-chain` remembers is in this file')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only check it, and say what would be done; a server may be running')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the database that is there; it is kept beside the new one')
            [CompletionResult]::new('--accept-breaks', '--accept-breaks', [CompletionResultType]::ParameterName, 'Take the backup even though its log has faults')
            [CompletionResult]::new('--only-env', '--only-env', [CompletionResultType]::ParameterName, 'Only write the configuration in the backup, to `.env` or the file named with `-e`, which must not be there yet')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;token' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('auditor', 'auditor', [CompletionResultType]::ParameterValue, 'Tokens for auditors, who read the full log chain and nothing else')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'coms;token;auditor' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Make a token and print it, once: only its hash is kept')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tokens')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make a token useless, from the next request on')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'coms;token;auditor;add' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Who it is for')
            [CompletionResult]::new('--days', '--days', [CompletionResultType]::ParameterName, 'For how many days it holds [default: until it is revoked]')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'coms;token;auditor;list' {
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON object a line')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'coms;token;auditor;revoke' {
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Read the configuration from this file, which must exist [default: `.env` if there is one]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'coms;token;auditor;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Make a token and print it, once: only its hash is kept')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tokens')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make a token useless, from the next request on')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'coms;token;auditor;help;add' {
            break
        }
        'coms;token;auditor;help;list' {
            break
        }
        'coms;token;auditor;help;revoke' {
            break
        }
        'coms;token;auditor;help;help' {
            break
        }
        'coms;token;help' {
            [CompletionResult]::new('auditor', 'auditor', [CompletionResultType]::ParameterValue, 'Tokens for auditors, who read the full log chain and nothing else')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'coms;token;help;auditor' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Make a token and print it, once: only its hash is kept')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tokens')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make a token useless, from the next request on')
            break
        }
        'coms;token;help;auditor;add' {
            break
        }
        'coms;token;help;auditor;list' {
            break
        }
        'coms;token;help;auditor;revoke' {
            break
        }
        'coms;token;help;help' {
            break
        }
        'coms;chat' {
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The token: `-` reads it from standard input, `@FILE` from a file [env: COMS_TOKEN]')
            [CompletionResult]::new('--join', '--join', [CompletionResultType]::ParameterName, 'Ask this Central for the token, and for new ones in time')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'With --join: the server''s id')
            [CompletionResult]::new('--user', '--user', [CompletionResultType]::ParameterName, 'With --join: who to be; somebody new if left out')
            [CompletionResult]::new('--channel', '--channel', [CompletionResultType]::ParameterName, 'The channel to follow and to speak in')
            [CompletionResult]::new('--history', '--history', [CompletionResultType]::ParameterName, 'How many recent messages to begin with')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Without a terminal: stay and listen when the input has ended')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write what the server sends as JSON Lines')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'coms;completions' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'coms;man' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour what is printed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print less: results and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more; twice for everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'coms;help' {
            [CompletionResult]::new('adopt', 'adopt', [CompletionResultType]::ParameterValue, 'Take over a database of the Go reference server')
            [CompletionResult]::new('dev', 'dev', [CompletionResultType]::ParameterValue, 'Try it out: a server, a Central of its own, and two people''s tokens, all on this machine')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write the configuration: ask for what is needed, make the keys, check everything')
            [CompletionResult]::new('keygen', 'keygen', [CompletionResultType]::ParameterValue, 'Make a key pair for a server, as lines of a `.env` file')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the server')
            [CompletionResult]::new('verify-chain', 'verify-chain', [CompletionResultType]::ParameterValue, 'Check that a server''s log is whole, signed, and still the one that was seen before')
            [CompletionResult]::new('search', 'search', [CompletionResultType]::ParameterValue, 'Find messages by what they say, newest first')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Take messages away: as JSON Lines, as CSV, or as pages that any browser shows')
            [CompletionResult]::new('backup', 'backup', [CompletionResultType]::ParameterValue, 'Make a backup of the database, a server running on it or not')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring a backup back, as the configured database')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Issue and revoke tokens')
            [CompletionResult]::new('chat', 'chat', [CompletionResultType]::ParameterValue, 'Talk on a server, from a terminal or a script')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page of the program or of one command')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'coms;help;adopt' {
            break
        }
        'coms;help;dev' {
            break
        }
        'coms;help;init' {
            break
        }
        'coms;help;keygen' {
            break
        }
        'coms;help;serve' {
            break
        }
        'coms;help;verify-chain' {
            break
        }
        'coms;help;search' {
            break
        }
        'coms;help;export' {
            break
        }
        'coms;help;backup' {
            break
        }
        'coms;help;restore' {
            break
        }
        'coms;help;token' {
            [CompletionResult]::new('auditor', 'auditor', [CompletionResultType]::ParameterValue, 'Tokens for auditors, who read the full log chain and nothing else')
            break
        }
        'coms;help;token;auditor' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Make a token and print it, once: only its hash is kept')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the tokens')
            [CompletionResult]::new('revoke', 'revoke', [CompletionResultType]::ParameterValue, 'Make a token useless, from the next request on')
            break
        }
        'coms;help;token;auditor;add' {
            break
        }
        'coms;help;token;auditor;list' {
            break
        }
        'coms;help;token;auditor;revoke' {
            break
        }
        'coms;help;chat' {
            break
        }
        'coms;help;completions' {
            break
        }
        'coms;help;man' {
            break
        }
        'coms;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
