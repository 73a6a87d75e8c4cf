# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coms_global_optspecs
    string join \n q/quiet v/verbose color= e/env-file= h/help V/version
end

function __fish_coms_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coms_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coms_using_subcommand
    set -l cmd (__fish_coms_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coms -n "__fish_coms_needs_command" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_needs_command" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_needs_command" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_needs_command" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_needs_command" -s h -l help -d 'Print help'
complete -c coms -n "__fish_coms_needs_command" -s V -l version -d 'Print version'
complete -c coms -n "__fish_coms_needs_command" -f -a "adopt" -d 'Take over a database of the Go reference server'
complete -c coms -n "__fish_coms_needs_command" -f -a "dev" -d 'Try it out: a server, a Central of its own, and two people\'s tokens, all on this machine'
complete -c coms -n "__fish_coms_needs_command" -f -a "init" -d 'Write the configuration: ask for what is needed, make the keys, check everything'
complete -c coms -n "__fish_coms_needs_command" -f -a "keygen" -d 'Make a key pair for a server, as lines of a `.env` file'
complete -c coms -n "__fish_coms_needs_command" -f -a "serve" -d 'Run the server'
complete -c coms -n "__fish_coms_needs_command" -f -a "verify-chain" -d 'Check that a server\'s log is whole, signed, and still the one that was seen before'
complete -c coms -n "__fish_coms_needs_command" -f -a "search" -d 'Find messages by what they say, newest first'
complete -c coms -n "__fish_coms_needs_command" -f -a "export" -d 'Take messages away: as JSON Lines, as CSV, or as pages that any browser shows'
complete -c coms -n "__fish_coms_needs_command" -f -a "backup" -d 'Make a backup of the database, a server running on it or not'
complete -c coms -n "__fish_coms_needs_command" -f -a "restore" -d 'Bring a backup back, as the configured database'
complete -c coms -n "__fish_coms_needs_command" -f -a "token" -d 'Issue and revoke tokens'
complete -c coms -n "__fish_coms_needs_command" -f -a "chat" -d 'Talk on a server, from a terminal or a script'
complete -c coms -n "__fish_coms_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c coms -n "__fish_coms_needs_command" -f -a "man" -d 'Print the manual page of the program or of one command'
complete -c coms -n "__fish_coms_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coms -n "__fish_coms_using_subcommand adopt" -s o -l output -d 'Write a new database and leave FILE alone, which may be in use; without this, FILE is replaced and a copy of it kept' -r -F
complete -c coms -n "__fish_coms_using_subcommand adopt" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand adopt" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand adopt" -l json -d 'Print one JSON object'
complete -c coms -n "__fish_coms_using_subcommand adopt" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand adopt" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand dev" -l dir -d 'Keep everything in this directory' -r -F
complete -c coms -n "__fish_coms_using_subcommand dev" -l port -d 'Port of the server; the next free one if it is taken' -r
complete -c coms -n "__fish_coms_using_subcommand dev" -l central-port -d 'Port of the sandbox Central; the next free one if it is taken' -r
complete -c coms -n "__fish_coms_using_subcommand dev" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand dev" -l ephemeral -d 'Keep nothing: use a directory that is removed at the end'
complete -c coms -n "__fish_coms_using_subcommand dev" -l json -d 'Print one JSON object instead of words'
complete -c coms -n "__fish_coms_using_subcommand dev" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand dev" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand dev" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand init" -s e -l env-file -d 'The file to write' -r -F
complete -c coms -n "__fish_coms_using_subcommand init" -l set -d 'Set a variable without asking; for a secret `KEY=-` reads a line of standard input and `KEY=@FILE` a file' -r
complete -c coms -n "__fish_coms_using_subcommand init" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand init" -s y -l yes -d 'Ask nothing: take what is set, what the file has, and defaults'
complete -c coms -n "__fish_coms_using_subcommand init" -l replace-key -d 'Make a new key pair, or take the one of `--set`, although the file has another'
complete -c coms -n "__fish_coms_using_subcommand init" -l check-central -d 'Ask Central whether it knows the server, and say what it answers: exit code 1 if it does not take it, 3 if it does not answer'
complete -c coms -n "__fish_coms_using_subcommand init" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand init" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand keygen" -l from-secret -d 'Derive the public key of a secret one that is read from standard input' -r -f -a "-\t''"
complete -c coms -n "__fish_coms_using_subcommand keygen" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand keygen" -l json -d 'Print one JSON object instead'
complete -c coms -n "__fish_coms_using_subcommand keygen" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand keygen" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand keygen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand serve" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand serve" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand serve" -l new-database -d 'Serve the database although a longer or another log of this server is known on this machine'
complete -c coms -n "__fish_coms_using_subcommand serve" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand serve" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand serve" -s h -l help -d 'Print help'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l manifest -d 'A running server: the URL of its manifest, or of the server' -r
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l db -d 'A database of coms or of the Go reference server; it is only read, and a server may be running on it' -r -F
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l export -d 'An export in JSON Lines; `-` is standard input' -r -F
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l token -d 'A member\'s or an auditor\'s token: `-` for standard input, `@FILE` for a file [env: COMS_TOKEN]' -r
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l public-key -d 'The server\'s public key, if you know it from elsewhere: 64 hexadecimal digits' -r
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l state -d 'Keep the memory of what was seen in this file' -r -F
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l from -d 'Check entries from this index on' -r
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l timeout -d 'Give up when the server sends nothing for this many seconds' -r
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l deadline -d 'Give up when a server\'s log is not verified after this many seconds [default: 600, and one more for each 1000 entries]' -r
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l contents -d 'Also fetch what the messages say, and compare it with the log; needs a member\'s token'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l no-state -d 'Neither use nor keep a memory of what was seen'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l accept-head -d 'Take the log as it is now for the one to remember, whatever was remembered before'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l strict-signatures -d 'Check each signature by itself, by the strictest rules'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -l json -d 'Print one JSON object'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand verify-chain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand search" -l channel -d 'Only in this channel; repeated, in any of them' -r
complete -c coms -n "__fish_coms_using_subcommand search" -l user -d 'Only by this user, given by id or its first digits; repeated, by any of them' -r
complete -c coms -n "__fish_coms_using_subcommand search" -l before -d 'Only messages written before this date, time or duration ago' -r
complete -c coms -n "__fish_coms_using_subcommand search" -l after -d 'Only messages written at this date, time or duration ago, or later' -r
complete -c coms -n "__fish_coms_using_subcommand search" -l limit -d 'Show at most this many messages' -r
complete -c coms -n "__fish_coms_using_subcommand search" -l sort -d 'What comes first' -r -f -a "newest\t'The newest message'
relevance\t'The message that fits best, of the newest thousand that match'"
complete -c coms -n "__fish_coms_using_subcommand search" -l db -d 'Read this database [default: the configured one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand search" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand search" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand search" -l json -d 'Print each message as a line of JSON'
complete -c coms -n "__fish_coms_using_subcommand search" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand search" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand export" -l format -d 'What is written' -r -f -a "jsonl\t'JSON Lines: complete, for programs and for `coms verify-chain --export`'
csv\t'One line a message, for spreadsheets'
html\t'A folder of pages to read in a browser, without a network'"
complete -c coms -n "__fish_coms_using_subcommand export" -s o -l output -d 'Write this file, or for html this folder; `-` is standard output' -r -F
complete -c coms -n "__fish_coms_using_subcommand export" -l channel -d 'Only messages in this channel; repeated, in any of them' -r
complete -c coms -n "__fish_coms_using_subcommand export" -l user -d 'Only messages by this user; repeated, by any of them' -r
complete -c coms -n "__fish_coms_using_subcommand export" -l before -d 'Only messages written before this date, time or duration ago' -r
complete -c coms -n "__fish_coms_using_subcommand export" -l after -d 'Only messages written at this date, time or duration ago, or later' -r
complete -c coms -n "__fish_coms_using_subcommand export" -l db -d 'Read this database [default: the configured one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand export" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand export" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand export" -l force -d 'Replace the file if it is an earlier export in the same format; nothing else is ever replaced'
complete -c coms -n "__fish_coms_using_subcommand export" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand export" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand backup" -s o -l output -d 'Write this file, which must not be there yet; in a folder it is named for the server and the time; `-` is standard output' -r -F
complete -c coms -n "__fish_coms_using_subcommand backup" -l keep -d 'Afterwards keep only so many backups of this server in the folder: the new one, and the newest before it' -r
complete -c coms -n "__fish_coms_using_subcommand backup" -l passphrase-file -d 'Encrypt it with the passphrase in this file; `-` is standard input' -r -F
complete -c coms -n "__fish_coms_using_subcommand backup" -l recipient -d 'Encrypt it so that only the key of this age recipient opens it; repeated, the key of any of them' -r
complete -c coms -n "__fish_coms_using_subcommand backup" -l scratch -d 'Where the copy lies until it is compressed; it takes as much room as the database [default: beside the database]' -r -F
complete -c coms -n "__fish_coms_using_subcommand backup" -l db -d 'Read this database [default: the configured one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand backup" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand backup" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand backup" -l include-secrets -d 'Also take the `.env` file with the keys, so that the backup alone brings the server back; it is encrypted then'
complete -c coms -n "__fish_coms_using_subcommand backup" -l encrypt -d 'Encrypt it with a passphrase, which is asked for'
complete -c coms -n "__fish_coms_using_subcommand backup" -l no-check -d 'Do not check the copy: faster, and a damage of the database goes unnoticed'
complete -c coms -n "__fish_coms_using_subcommand backup" -l json -d 'Print one JSON object'
complete -c coms -n "__fish_coms_using_subcommand backup" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand backup" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand restore" -l passphrase-file -d 'The passphrase of an encrypted backup is in this file; `-` is standard input; without it, it is asked for' -r -F
complete -c coms -n "__fish_coms_using_subcommand restore" -l identity-file -d 'The age identity (`AGE-SECRET-KEY-1…`) that opens the backup is in this file; repeated, any of them' -r -F
complete -c coms -n "__fish_coms_using_subcommand restore" -l state -d 'What `coms verify-chain` remembers is in this file' -r -F
complete -c coms -n "__fish_coms_using_subcommand restore" -s e -l env-file -d 'Read the configuration from this file, which must exist [default: `.env` if there is one]' -r -F
complete -c coms -n "__fish_coms_using_subcommand restore" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand restore" -l dry-run -d 'Only check it, and say what would be done; a server may be running'
complete -c coms -n "__fish_coms_using_subcommand restore" -l force -d 'Replace the database that is there; it is kept beside the new one'
complete -c coms -n "__fish_coms_using_subcommand restore" -l accept-breaks -d 'Take the backup even though its log has faults'
complete -c coms -n "__fish_coms_using_subcommand restore" -l only-env -d 'Only write the configuration in the backup, to `.env` or the file named with `-e`, which must not be there yet'
complete -c coms -n "__fish_coms_using_subcommand restore" -l json -d 'Print one JSON object'
complete -c coms -n "__fish_coms_using_subcommand restore" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand restore" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand token; and not __fish_seen_subcommand_from auditor help" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand token; and not __fish_seen_subcommand_from auditor help" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand token; and not __fish_seen_subcommand_from auditor help" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand token; and not __fish_seen_subcommand_from auditor help" -s h -l help -d 'Print help'
complete -c coms -n "__fish_coms_using_subcommand token; and not __fish_seen_subcommand_from auditor help" -f -a "auditor" -d 'Tokens for auditors, who read the full log chain and nothing else'
complete -c coms -n "__fish_coms_using_subcommand token; and not __fish_seen_subcommand_from auditor help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -s h -l help -d 'Print help'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -f -a "add" -d 'Make a token and print it, once: only its hash is kept'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -f -a "list" -d 'List the tokens'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -f -a "revoke" -d 'Make a token useless, from the next request on'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from auditor" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "auditor" -d 'Tokens for auditors, who read the full log chain and nothing else'
complete -c coms -n "__fish_coms_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coms -n "__fish_coms_using_subcommand chat" -l token -d 'The token: `-` reads it from standard input, `@FILE` from a file [env: COMS_TOKEN]' -r
complete -c coms -n "__fish_coms_using_subcommand chat" -l join -d 'Ask this Central for the token, and for new ones in time' -r
complete -c coms -n "__fish_coms_using_subcommand chat" -l server -d 'With --join: the server\'s id' -r
complete -c coms -n "__fish_coms_using_subcommand chat" -l user -d 'With --join: who to be; somebody new if left out' -r
complete -c coms -n "__fish_coms_using_subcommand chat" -l channel -d 'The channel to follow and to speak in' -r
complete -c coms -n "__fish_coms_using_subcommand chat" -l history -d 'How many recent messages to begin with' -r
complete -c coms -n "__fish_coms_using_subcommand chat" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand chat" -l follow -d 'Without a terminal: stay and listen when the input has ended'
complete -c coms -n "__fish_coms_using_subcommand chat" -l json -d 'Write what the server sends as JSON Lines'
complete -c coms -n "__fish_coms_using_subcommand chat" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand chat" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand chat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coms -n "__fish_coms_using_subcommand completions" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand completions" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand completions" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand completions" -s h -l help -d 'Print help'
complete -c coms -n "__fish_coms_using_subcommand man" -l color -d 'When to colour what is printed' -r -f -a "auto\t''
always\t''
never\t''"
complete -c coms -n "__fish_coms_using_subcommand man" -s q -l quiet -d 'Print less: results and errors only'
complete -c coms -n "__fish_coms_using_subcommand man" -s v -l verbose -d 'Print more; twice for everything'
complete -c coms -n "__fish_coms_using_subcommand man" -s h -l help -d 'Print help'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "adopt" -d 'Take over a database of the Go reference server'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "dev" -d 'Try it out: a server, a Central of its own, and two people\'s tokens, all on this machine'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "init" -d 'Write the configuration: ask for what is needed, make the keys, check everything'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "keygen" -d 'Make a key pair for a server, as lines of a `.env` file'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "serve" -d 'Run the server'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "verify-chain" -d 'Check that a server\'s log is whole, signed, and still the one that was seen before'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "search" -d 'Find messages by what they say, newest first'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "export" -d 'Take messages away: as JSON Lines, as CSV, or as pages that any browser shows'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "backup" -d 'Make a backup of the database, a server running on it or not'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "restore" -d 'Bring a backup back, as the configured database'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "token" -d 'Issue and revoke tokens'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "chat" -d 'Talk on a server, from a terminal or a script'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "completions" -d 'Print the completions for a shell'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "man" -d 'Print the manual page of the program or of one command'
complete -c coms -n "__fish_coms_using_subcommand help; and not __fish_seen_subcommand_from adopt dev init keygen serve verify-chain search export backup restore token chat completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coms -n "__fish_coms_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "auditor" -d 'Tokens for auditors, who read the full log chain and nothing else'
