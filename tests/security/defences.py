"""Every defence that docs/security.md names: what it does, the edit that removes it, and the tests that must fail then.

The edits are literal source texts, as those of tests/crash/mutations.py; `removals.py` tries them all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defence:
    """A defence in words, the text that makes it (`old` stands once in `file`), what is left without, and its tests.

    `file` is below batchgen/, `tests` below tests/; a test without its file's name stands in the file before it.
    """

    area: str
    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _area(name: str, *defences: tuple[str, str, str, str, str]) -> tuple[Defence, ...]:
    return tuple(Defence(name, rule, file, old, new, tuple(tests.split())) for rule, file, old, new, tests in defences)


_HOSTS = "runcomfy/hosts.py"
_HOSTS_TESTS = "runcomfy/test_runcomfy_hosts.py"
_ECHO = "runcomfy/test_runcomfy_reads.py::test_no_part_of_an_echoed_token_gets_into_words_or_addresses"
_PLANTED = "security/test_planted.py"
_FILES = f"{_PLANTED}::test_a_planted_file_is_replaced_and_never_written_through"
_TERMINAL = "security/test_terminal.py"
_NETWORK = "security/test_network.py"
_NAMES = "store/test_store_names.py"
_WRITER = "store/test_store_writer.py"
_YAML = "manifest/test_manifest_yamltext.py"
_TABLES = "manifest/test_manifest_tables.py"

DEFENCES: tuple[Defence, ...] = (
    *_area(
        "The token",
        (
            "requests for files carry no token",
            "runcomfy/client.py",
            "transport.session(file_headers, reuse=True)",
            "transport.session({**api_headers, **file_headers}, reuse=True)",
            f"runcomfy/test_runcomfy_files.py::test_a_file_host_never_sees_the_token "
            f"{_NETWORK}::test_a_file_host_is_told_nothing_but_the_address",
        ),
        (
            "no cookie of one answer goes into the next request",
            "runcomfy/transport.py",
            "aiohttp.DummyCookieJar()",
            "aiohttp.CookieJar(unsafe=True)",
            f"{_NETWORK}::test_a_file_host_is_told_nothing_but_the_address",
        ),
        (
            "a read of the API follows no redirect, which would take the token along",
            "runcomfy/client.py",
            "self._reads.request(method, url, allow_redirects=False, ",
            "self._reads.request(method, url, allow_redirects=True, ",
            f"{_NETWORK}::test_no_redirect_of_the_api_is_followed",
        ),
        (
            "nor does a POST",
            "runcomfy/client.py",
            "                allow_redirects=False,\n",
            "                allow_redirects=True,\n",
            "runcomfy/test_runcomfy_submit.py::test_a_redirect_is_never_followed",
        ),
        (
            "the API's address is https, or on this machine",
            "runcomfy/base.py",
            'secure = url.scheme == "https" or is_loopback(url)',
            "secure = True",
            f"{_HOSTS_TESTS}::test_a_base_the_token_must_not_go_to_is_a_usage_error",
        ),
        (
            "certificates are verified",
            "runcomfy/transport.py",
            "aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE)",
            "aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE, ssl=False)",
            f"{_NETWORK}::test_a_server_without_a_certificate_for_its_name_is_told_nothing",
        ),
        (
            "certificates are verified for POSTs too",
            "runcomfy/transport.py",
            "aiohttp.TCPConnector(limit=0, force_close=True)",
            "aiohttp.TCPConnector(limit=0, force_close=True, ssl=False)",
            f"{_NETWORK}::test_a_server_without_a_certificate_for_its_name_is_told_nothing",
        ),
        (
            "proxies and .netrc of the environment are not used",
            "runcomfy/transport.py",
            "        trust_env=False,\n",
            "        trust_env=True,\n",
            f"{_NETWORK}::test_no_proxy_and_no_credentials_come_from_the_environment",
        ),
        (
            "the token is taken out of an answer before anything is read of it",
            "runcomfy/envelope.py",
            "    content = _without_secret(_json(reply.body), secret)\n",
            "    content = _json(reply.body)\n",
            _ECHO,
        ),
        (
            "and out of its words before they are cut",
            "runcomfy/envelope.py",
            "    text = _hidden(text, secret)[: 4 * 1024]\n",
            "    text = text[: 4 * 1024]\n",
            _ECHO,
        ),
        (
            "what cannot be a token is not put into a header",
            "runcomfy/token.py",
            "    if not _TOKEN.fullmatch(value):\n",
            "    if False:\n",
            "runcomfy/test_runcomfy_token.py::test_what_cannot_be_a_token_is_refused_without_showing_it",
        ),
        (
            "the sandbox's process is told no token",
            "cli/sandbox_process.py",
            " if name not in token.VARIABLES}",
            "}",
            "security/test_private.py::test_the_sandbox_is_told_no_token",
        ),
        (
            "a token file that others can read is told of",
            "runcomfy/token.py",
            "path.stat().st_mode & 0o077",
            "False",
            "security/test_private.py::test_doctor_tells_of_a_token_file_that_others_can_read",
        ),
    ),
    *_area(
        "Addresses",
        (
            "outputs come from hosts of the list, or below those that begin with a dot",
            _HOSTS,
            '(entry.startswith(".") and host.endswith(entry))',
            'host.endswith(entry.removeprefix("."))',
            f"{_HOSTS_TESTS}::test_refused",
        ),
        ("over https, on port 443", _HOSTS, " or port != 443 or ", " or ", f"{_HOSTS_TESTS}::test_refused"),
        (
            "without a user name",
            _HOSTS,
            ' or "@" in authority[1]:',
            ":",
            f"{_HOSTS_TESTS}::test_refused",
        ),
        (
            "in ASCII without spaces and backslashes, which parsers read in two ways",
            _HOSTS,
            'r"[!-\\[\\]-~]+"',
            'r"(?s).+"',
            f"{_HOSTS_TESTS}::test_refused",
        ),
        (
            "of a host in letters, digits and hyphens",
            _HOSTS,
            " or not _HOST.fullmatch(host):\n",
            ":\n",
            f"{_HOSTS_TESTS}::test_refused",
        ),
        (
            "what is fetched is what was checked, not a second reading of it",
            _HOSTS,
            "url = URL(text, encoded=True)",
            "url = URL(text)",
            f"{_HOSTS_TESTS}::test_the_checked_url_is_fetched_as_written",
        ),
        (
            "this machine is fetched from only where the API is on it",
            _HOSTS,
            "base.origin() if is_loopback(base) else None",
            "base.origin()",
            f"{_HOSTS_TESTS}::test_a_remote_api_opens_nothing_on_this_machine_even_if_it_says_so",
        ),
        (
            "every redirect of a file host passes the same rule",
            "runcomfy/files.py",
            "            url = self._hosts.check(_absolute(url, target))\n",
            "            url = URL(_absolute(url, target), encoded=True)\n",
            "runcomfy/test_runcomfy_files.py::test_every_hop_passes_the_same_rule",
        ),
        (
            "a model id cannot change the path it stands in",
            "runcomfy/client.py",
            "        if not _MODEL.fullmatch(model):\n",
            "        if False:\n",
            "runcomfy/test_runcomfy_submit.py::test_a_model_id_that_would_change_the_path_is_not_sent",
        ),
        (
            "nor can a request id",
            "runcomfy/client.py",
            "        if not verdicts.is_request_id(request_id):\n",
            "        if False:\n",
            "runcomfy/test_runcomfy_reads.py::test_a_text_that_is_no_request_id_goes_into_no_path",
        ),
        (
            "a schema refers to nothing outside of itself",
            "catalog/schema.py",
            ", retriever=_retrieve_nothing)",
            ")",
            f"{_NETWORK}::test_a_schema_fetches_nothing",
        ),
    ),
    *_area(
        "Answers",
        (
            "an answer of the API has at most 8 MiB, unpacked",
            "runcomfy/transport.py",
            "            if size > MAX_JSON_BYTES:\n",
            "            if False:\n",
            f"{_NETWORK}::test_an_answer_that_unpacks_to_a_bomb_is_left_unread",
        ),
        (
            "a file has a bound while it arrives, whatever its head says",
            "runcomfy/files.py",
            "                if size > self._max_bytes:\n",
            "                if False:\n",
            "runcomfy/test_runcomfy_files.py::test_a_file_over_the_cap_is_not_read_to_its_end",
        ),
        (
            "an exchange has a time limit, however slowly the bytes come",
            "engine/collect.py",
            "                async with asyncio.timeout_at(deadline):\n",
            "                async with asyncio.timeout_at(None):\n",
            "engine/test_engine.py::test_a_file_that_trickles_in_for_ever_is_given_up_after_five_minutes",
        ),
        (
            "a wait that a server asks for is bounded",
            "runcomfy/envelope.py",
            "        return min(float(seconds[1]), MAX_RETRY_AFTER)\n",
            "        return float(seconds[1])\n",
            "runcomfy/test_runcomfy_submit.py::test_a_real_429_was_not_taken_and_its_wish_is_bounded",
        ),
        (
            "a walk through an answer is bounded",
            "runcomfy/reading.py",
            "        if len(found) == MAX_OUTPUTS:\n            break\n",
            "",
            "runcomfy/test_runcomfy_reading.py::test_hostile_depth_and_number_are_bounded",
        ),
        (
            "foreign text is cut before each of its characters is looked at",
            "errors.py",
            '    shown = text if len(text) <= limit else text[: limit - 1] + "…"\n',
            "    shown = text\n",
            "report/test_report_text.py",
        ),
    ),
    *_area(
        "Pictures",
        (
            "what is no picture by its first bytes is not saved",
            "store/saving.py",
            "    if kind is None:\n        words",
            "    kind = kind or formats.PNG\n    if False:\n        words",
            f"{_WRITER}::test_what_is_no_whole_output_is_told",
        ),
        (
            "a picture has at most 128 MiB",
            "store/saving.py",
            "    if part.size + len(piece) > most:\n",
            "    if False:\n",
            f"{_WRITER}::test_an_output_over_its_cap_is_refused",
        ),
        (
            "and a bound of pixels, held before any is decoded",
            "store/pictures.py",
            "        if width * height > max_pixels:\n",
            "        if False:\n",
            f"{_WRITER}::test_a_picture_with_too_many_pixels_is_not_decoded",
        ),
        (
            "large ones are decoded one at a time",
            "store/pictures.py",
            "with _large if width * height > LARGE_PIXELS else nullcontext():",
            "with nullcontext():",
            f"{_WRITER}::test_large_pictures_are_decoded_one_at_a_time",
        ),
        (
            "whatever a decoder does with hostile bytes is a bad file",
            "store/pictures.py",
            "    except Exception as problem:\n",
            "    except SyntaxError as problem:\n",
            f"{_WRITER}::test_what_is_no_whole_output_is_told",
        ),
    ),
    *_area(
        "Names and paths",
        (
            "a slash, a wildcard or a control character of a value makes no path",
            "store/names.py",
            '    return character in _FORBIDDEN or unicodedata.category(character).startswith("C")\n',
            "    return False\n",
            f"{_NAMES}::test_a_value_is_made_safe_by_itself {_NAMES}::test_no_value_makes_or_leaves_a_folder",
        ),
        (
            "no value is a folder above",
            "store/names.py",
            '    return shown.strip(". ")\n',
            "    return shown\n",
            f"{_NAMES}::test_a_value_is_made_safe_by_itself",
        ),
        (
            "nor a device of Windows",
            "store/names.py",
            "    if _RESERVED.match(safe):\n",
            "    if False:\n",
            f"{_NAMES}::test_a_value_is_made_safe_by_itself",
        ),
        (
            "nor longer than a file system takes",
            "store/names.py",
            ".encode()[:MAX_COMPONENT]",
            ".encode()",
            f"{_NAMES}::test_a_value_is_made_safe_by_itself",
        ),
        (
            "a format in a template cannot ask for a text of gigabytes",
            "store/names.py",
            'any(len(run) > 9 or int(run) > _MAX_WIDTH for run in re.findall(r"\\d+", spec or ""))',
            'any(int(run) > _MAX_WIDTH for run in re.findall(r"[0-9]{1,9}", (spec or "")[:40]))',
            f"{_NAMES}::test_a_template_that_cannot_be_rendered_is_a_value_error",
        ),
        (
            "nor reach into Python's objects",
            "store/names.py",
            r're.search(r"[\[\].!{}]", name)',
            "False",
            f"{_NAMES}::test_a_template_that_cannot_be_rendered_is_a_value_error",
        ),
        (
            "names that a file system takes for the same are two",
            "store/names.py",
            'unicodedata.normalize("NFD", name).casefold())',
            "name)",
            f"{_NAMES}::test_no_two_attempts_files_meet_on_a_case_insensitive_file_system",
        ),
        (
            "a name of the ledger that leads out of images/ is refused",
            "store/writer.py",
            '    if any(part in ("", ".", "..") or "\\0" in part or "\\\\" in part for part in parts):\n',
            "    if False:\n",
            f"{_WRITER}::test_a_name_that_leads_out_of_the_folder_is_refused",
        ),
        (
            "so is a job's id",
            "store/parts.py",
            "{component(job)}",
            "{job}",
            f"{_WRITER}::test_a_job_id_of_a_hostile_ledger_leads_no_part_out_of_the_folder",
        ),
        (
            "a path of the ledger that leads out of the run directory is no file of it, nor is a link",
            "store/check.py",
            '                if part in ("", "..") or not stat.S_ISDIR(here.lstat().st_mode):\n',
            "                if not stat.S_ISDIR(here.lstat().st_mode):\n",
            "store/test_store_check.py::test_nothing_outside_the_run_directory_counts",
        ),
    ),
    *_area(
        "What was planted in the run directory",
        (
            "a link in place of images/ is found before anything is paid for",
            "ledger/rundir.py",
            "            files.require_own_folder(self.images)\n",
            "",
            f"{_PLANTED}::test_a_planted_folder_is_found_before_anything_is_paid_for",
        ),
        (
            "a link in place of a folder is not written through",
            "store/folders.py",
            "            if not stat.S_ISDIR(mode):\n",
            "            if False:\n",
            f"{_PLANTED}::test_a_planted_folder_ends_the_run_before_anything_is_sent "
            f"{_WRITER}::test_nothing_is_written_through_a_linked_folder",
        ),
        (
            "nor is one in place of the sandbox's",
            "cli/sandbox_process.py",
            "    require_own_folder(folder)\n",
            "",
            f"{_PLANTED}::test_a_planted_folder_ends_the_run_before_anything_is_sent",
        ),
        (
            "a file is made anew before it is written and renamed",
            "ledger/files.py",
            "    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL\n",
            "    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC\n",
            _FILES,
        ),
        (
            "a part too",
            "store/parts.py",
            "_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL",
            "_FLAGS = os.O_RDWR | os.O_CREAT | os.O_TRUNC",
            f"{_WRITER}::test_nothing_is_written_through_a_linked_file",
        ),
        (
            "no file is opened through a link",
            "ledger/files.py",
            "os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, NEW_FILE_MODE)",
            "os.open(path, flags | os.O_CLOEXEC, NEW_FILE_MODE)",
            "ledger/test_ledger_files.py::test_descriptors_are_close_on_exec_and_links_are_not_followed "
            f"{_PLANTED}::test_a_torn_end_is_not_saved_through_what_was_planted",
        ),
        (
            "nor by the sandbox",
            "sandbox/journal.py",
            "os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW",
            "os.O_CREAT | os.O_CLOEXEC",
            f"{_PLANTED}::test_the_sandbox_writes_through_nothing_planted",
        ),
        (
            "no pipe holds a run up",
            "ledger/repair.py",
            "os.O_APPEND | os.O_NONBLOCK)",
            "os.O_APPEND)",
            f"{_PLANTED}::test_a_torn_end_is_not_saved_through_what_was_planted",
        ),
        (
            "the ledger is a regular file",
            "ledger/files.py",
            "    if not stat.S_ISREG(os.fstat(descriptor).st_mode):\n",
            "    if False:\n",
            "ledger/test_ledger_lock.py::test_a_ledger_that_is_no_regular_file_is_refused",
        ),
        (
            "who may read what is written is the umask's to say",
            "ledger/files.py",
            "NEW_FILE_MODE = 0o666",
            "NEW_FILE_MODE = 0o644",
            "security/test_private.py::test_who_may_read_a_run_is_what_the_umask_says",
        ),
    ),
    *_area(
        "Manifests, lists and ledgers",
        (
            "a YAML text has at most 16 MiB",
            "manifest/yamltext.py",
            "    if len(data) > MAX_BYTES:\n",
            "    if False:\n",
            f"{_YAML}::test_the_size_is_bounded",
        ),
        (
            "a million values, aliases counted each time",
            "manifest/yamltext.py",
            "        if self.count > MAX_NODES:\n",
            "        if False:\n",
            f"{_YAML}::test_alias_bombs_are_refused",
        ),
        (
            "64 levels",
            "manifest/yamltext.py",
            "        if len(self.stack) >= MAX_DEPTH:\n",
            "        if False:\n",
            f"{_YAML}::test_deep_nesting_is_refused",
        ),
        (
            "64 directives",
            "manifest/yamltext.py",
            "MAX_DIRECTIVES, None), None) is not None:\n",
            "MAX_DIRECTIVES, None), None) is not None and False:\n",
            f"{_YAML}::test_what_is_refused_is_named_with_its_place",
        ),
        (
            "numbers of 40 digits",
            "manifest/yamltext.py",
            "    if len(text) > _MAX_DIGITS:\n",
            "    if False:\n",
            f"{_YAML}::test_what_is_refused_is_named_with_its_place",
        ),
        (
            "no key twice",
            "manifest/yamltext.py",
            "        if key.value in mapping:\n",
            "        if False:\n",
            f"{_YAML}::test_what_is_refused_is_named_with_its_place",
        ),
        (
            "no tags",
            "manifest/yamltext.py",
            '        if event.tag not in (None, "!", _STRING_TAG):\n',
            "        if False:\n",
            f"{_YAML}::test_what_is_refused_is_named_with_its_place",
        ),
        (
            "a record of a list has at most 1 MiB",
            "manifest/tables.py",
            "            if len(data) > MAX_RECORD:\n",
            "            if False:\n",
            f"{_TABLES}::test_an_endless_record_is_not_read_into_memory",
        ),
        (
            "and 1000 columns",
            "manifest/tables.py",
            "    if len(columns) > MAX_COLUMNS:\n",
            "    if False:\n",
            f"{_TABLES}::test_mistakes_are_named_with_their_place",
        ),
        (
            "JSON nested without end is a mistake like others",
            "manifest/tables.py",
            "        except (ValueError, RecursionError) as error:\n",
            "        except ValueError as error:\n",
            "fuzz/test_fuzz.py::test_a_kept_case_holds[table-deep.jsonl]",
        ),
        (
            "a flood of mistakes is counted, not listed",
            "manifest/problems.py",
            "        if self._told[told] <= PER_FILE:\n",
            "        if True:\n",
            f"{_TABLES}::test_a_flood_of_mistakes_is_counted_not_listed",
        ),
        (
            "a URL with a password does not get into the log",
            "manifest/media.py",
            "    if parts.username is not None:\n",
            "    if False:\n",
            "manifest/test_mistakes.py",
        ),
        (
            "a line of the ledger has at most 64 MiB",
            "ledger/replay.py",
            "            if sum(map(len, begun)) > lines.MAX_LINE:\n",
            "            if False:\n",
            "ledger/test_ledger_replay.py::test_a_line_of_unbelievable_length_is_refused",
        ),
        (
            "somebody else's file is not taken for a torn ledger, and emptied",
            "ledger/replay.py",
            "        if self._foreign and not self.whole:\n",
            "        if False:\n",
            "ledger/test_ledger_replay.py::test_somebody_elses_file_is_not_taken_for_a_torn_end",
        ),
        (
            "a command line of the ledger with an open quote is none",
            "cli/command_line.py",
            '    except ValueError:\n        return ""\n',
            '    except KeyError:\n        return ""\n',
            f"{_TERMINAL}::test_a_hostile_ledger_is_shown_as_harmless_text",
        ),
        (
            "nor is a process number that cannot be a process",
            "cli/status.py",
            "(ProcessLookupError, OverflowError)",
            "ProcessLookupError",
            f"{_TERMINAL}::test_a_process_number_that_cannot_be_is_of_no_process",
        ),
    ),
    *_area(
        "What is shown",
        (
            "foreign text holds no control, bidirectional or unassigned character",
            "errors.py",
            'return "\\ufffd" if unicodedata.category(character).startswith("C") else character',
            "return character",
            "report/test_report_text.py::test_foreign_text_is_safe_and_cut_by_columns",
        ),
        (
            "nor does any line, whoever made it",
            "cli/console.py",
            '    _write("".join(f"{harmless(line)}\\n" for line in lines))\n',
            '    _write("".join(f"{line}\\n" for line in lines))\n',
            f"{_TERMINAL}::test_every_line_is_made_harmless",
        ),
        (
            "in JSON they stand escaped",
            "cli/console.py",
            '    _write(json_text(content) + "\\n")\n',
            '    _write(json.dumps(content, ensure_ascii=False) + "\\n")\n',
            f"{_TERMINAL}::test_a_hostile_ledger_is_shown_as_harmless_text",
        ),
        (
            "an export to a terminal is made harmless, one to a file is not changed",
            "cli/readers.py",
            "_harmless(table) if sys.stdout.isatty() else table",
            "table",
            f"{_TERMINAL}::test_a_hostile_ledger_is_shown_as_harmless_text",
        ),
        (
            "no cell of an export is a formula, and each turns back into its text",
            "report/exporting.py",
            '    return f"\'{text}" if _FORMULA.match(text) else text\n',
            "    return text\n",
            "cli/test_cli_readers.py::test_every_exported_text_can_be_had_back",
        ),
        (
            "a ping goes over https, or to this machine",
            "cli/ping.py",
            '    if url.scheme != "https" and not (url.scheme == "http" and is_this_machine(url.hostname or "")):\n',
            "    if False:\n",
            "cli/test_cli_ping.py::test_pings_go_over_https_or_stay_on_this_machine",
        ),
    ),
)
