"""No credential passes, and nothing else is touched."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, unquote

import pytest

from pytest_llmlog import redact
from pytest_llmlog.redact import PLACEHOLDER_KEY, Redactor, clean_url
from pytest_llmlog.shapes import MASK, holds_key_shape

A = "Ab3" * 40  # any letters and digits
KEYS = {
    "openai": "sk-" + A[:48],
    "openai-project": "sk-proj-" + A[:20] + "_" + A[:20] + "-" + A[:8],
    "anthropic": "sk-ant-api03-" + A[:60],
    "session": "sess-" + A[:40],
    "google": "AIza" + A[:35],
    "aws": "AKIA" + "ABCD1234EFGH5678",
    "aws-temporary": "ASIA" + "ABCD1234EFGH5678",
    "github-personal": "ghp_" + A[:36],
    "github-oauth": "gho_" + A[:36],
    "github-user": "ghu_" + A[:36],
    "github-server": "ghs_" + A[:36],
    "github-refresh": "ghr_" + A[:36],
    "github-fine": "github_pat_" + A[:22] + "_" + A[:59],
    "slack-app": "xoxa-" + "123456789012-" + A[:12],
    "slack-bot": "xoxb-" + "123456789012-" + A[:12],
    "slack-user": "xoxp-" + "123456789012-" + A[:12],
    "slack-refresh": "xoxr-" + "123456789012-" + A[:12],
    "slack-legacy": "xoxs-" + "123456789012-" + A[:12],
    "hugging-face": "hf_" + A[:34],
    "groq": "gsk_" + A[:52],
    "xai": "xai-" + A[:80],
    "jwt": f"eyJ{A[:30]}.eyJ{A[:50]}.{A[:43]}",
    "aws-session-old": "FQoGZXIvYXdz" + A[:90],
    "aws-service": "ABIA" + "ABCD1234EFGH5678",
    "google-oauth": "ya29." + A[:60],
    "google-client": "GOCSPX-" + A[:28],
    "google-express": "AQ.Ab8" + A[:44],
    "aws-session": "IQoJb3JpZ2lu" + A[:90] + "/+=",
    "aws-bedrock": "ABSK" + A[:100] + "=",
    "azure": A[:52] + "JQQJ99" + A[:26],
    "entra": "abc8Q~" + A[:34],
    "gitlab": "glpat-" + A[:20],
    "slack-cookie": "xoxd-" + A[:40],
    "slack-level": "xapp-1-" + A[:30],
    "hugging-face-organisation": "api_org_" + A[:34],
    "perplexity": "pplx-" + A[:48],
    "cerebras": "csk-" + A[:48],
    "nvidia": "nvapi-" + A[:64],
    "replicate": "r8_" + A[:37],
    "databricks": "dapi" + "0123456789abcdef" * 2,
    "private-key": f"-----BEGIN RSA PRIVATE KEY-----\n{A}\n{A}\n-----END RSA PRIVATE KEY-----",
    "private-key-bare": f"-----BEGIN PRIVATE KEY-----\n{A}\n-----END PRIVATE KEY-----",
    "private-key-cut-off": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{A}\n{A}",
}
pytestmark = pytest.mark.usefixtures("quick_search_agrees")

by_name = pytest.mark.parametrize("key", list(KEYS.values()), ids=list(KEYS))


def plain() -> Redactor:
    return Redactor({})


@by_name
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "key={}",
        '"{}"',
        "The key is {}, keep it.",
        "é{}é",
        "[{}]",
        "https://h/?k={}&b=1",
        "_{}",
        "q=%22{}%22",
        "a%0A{}",
        "k%3D{}",
        "\x1b[01;31m\x1b[K{}\x1b[m",
        "\\u001b[32m{}\\u001b[0m",
    ],
)
def test_every_key_shape_is_masked(key: str, around: str) -> None:
    assert plain().text(around.format(key)) == (around.format(MASK), 1)


@by_name
def test_every_key_shape_is_seen(key: str) -> None:
    found = holds_key_shape(f"text {key} text")
    assert found
    assert key.startswith(found)
    assert len(found) < len(key) / 2
    assert holds_key_shape(f"text {MASK} text") is None


@by_name
def test_bytes_are_masked_among_what_is_no_text(key: str) -> None:
    assert plain().bytes(b"\xff\xfe " + key.encode() + b" \x80") == (b"\xff\xfe " + MASK.encode() + b" \x80", 1)


@pytest.mark.parametrize("key", [KEYS["openai"], KEYS["aws"], KEYS["private-key"]], ids=["openai", "aws", "private-key"])
@pytest.mark.parametrize("before", ["\n", "\t", "é", "\\", '"'])
@pytest.mark.parametrize("ascii", [True, False])
def test_a_key_is_masked_inside_a_json_text(key: str, before: str, ascii: bool) -> None:
    body = json.dumps({"content": f"my key:{before}{key}"}, ensure_ascii=ascii).encode()
    clean, count = plain().bytes(body)
    assert count == 1
    assert json.loads(clean) == {"content": f"my key:{before}{MASK}"}


@pytest.mark.parametrize("before", ["\n", "é"])
def test_a_key_is_seen_inside_a_json_text(before: str) -> None:
    assert holds_key_shape(json.dumps({"content": f"my key:{before}{KEYS['openai']}"})) is not None


def test_several_keys_are_counted() -> None:
    text = " ".join(KEYS.values())
    assert plain().text(text) == (" ".join([MASK] * len(KEYS)), len(KEYS))


@pytest.mark.parametrize(
    "text",
    [
        "Forgot your password? Reset the token, keep the secret, and rotate the api_key.",
        "password: hunter2, token = abc",
        "risk-" + "a" * 40,
        "task-force-and-many-other-words-with-hyphens",
        "sk-learn-is-a-library-of-machine-learning",
        "task-force-sk-something-long-name-with-dashes-and-words",
        'class="sk-circle-fade-dot-container-wrapper"',
        "Bearer authentication-is-described-in-the-RFC",
        "bearer bonds/securities/certificates",
        "Use `Authorization: Bearer YOUR_API_KEY_GOES_HERE`",
        "?signature=foo",
        "https://e.com/?q=a&signature=required",
        "-----BEGIN PRIVATE KEY----- is how a PEM file begins, and -----END PRIVATE KEY----- ends it",
        "100% of 5%20 and %zz and %",
        "sk-short",
        "AIza-too-short",
        "the disk-usage-of-a-very-long-hyphenated-name",
        "chatcmpl-" + A[:30],
        "call_" + A[:24],
        "eyJhbGci is how it begins",
        PLACEHOLDER_KEY,
        "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
        "",
    ],
)
def test_prose_is_untouched(text: str) -> None:
    assert plain().text(text) == (text, 0)
    assert holds_key_shape(text) is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"Authorization: Bearer {A[:24]}", f"Authorization: Bearer {MASK}"),
        (f"curl -H 'authorization: bearer {A[:24]}='", f"curl -H 'authorization: bearer {MASK}'"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", f"authorization: Basic {MASK}"),
        (f'{{"SecretAccessKey": "{A[:40]}", "a": 1}}', f'{{"SecretAccessKey": "{MASK}", "a": 1}}'),
        (f"AWS_SECRET_ACCESS_KEY={A[:38]}/+", f"AWS_SECRET_ACCESS_KEY={MASK}"),
        (f"aws_secret_access_key = {A[:40]}\n", f"aws_secret_access_key = {MASK}\n"),
        (f'{{\\\\\\"SecretAccessKey\\\\\\": \\\\\\"{A[:40]}\\\\\\"}}', f'{{\\\\\\"SecretAccessKey\\\\\\": \\\\\\"{MASK}\\\\\\"}}'),
        (f"AWS Secret Access Key: {A[:40]}", f"AWS Secret Access Key: {MASK}"),
        (f"aws-secret-access-key: {A[:40]}", f"aws-secret-access-key: {MASK}"),
        ("https://h/?client_secret=hunter22x&a=1&password=hunter22", f"https://h/?client_secret={MASK}&a=1&password={MASK}"),
        ("postgres://u:p@ss-w0rd1@h/x", f"postgres://{MASK}@h/x"),
        (f'{{\\"secretAccessKey\\":\\"{A[:40]}\\"}}', f'{{\\"secretAccessKey\\":\\"{MASK}\\"}}'),
        (f"AWS4-HMAC-SHA256 Credential=x, Signature={'0a' * 32}", f"AWS4-HMAC-SHA256 Credential=x, Signature={MASK}"),
        (f"api-key: {'0a' * 16}", f"api-key: {MASK}"),
        (f"AccountName=a;AccountKey={A[:86]}==;x=1", f"AccountName=a;AccountKey={MASK};x=1"),
        (f"https://hooks.slack.com/services/T01AB/B02CD/{A[:24]}", f"https://hooks.slack.com/services/{MASK}"),
        ("postgres://me:s3cret-pw@db:5/x", f"postgres://{MASK}@db:5/x"),
    ],
)
def test_a_credential_beside_its_name_is_masked(text: str, clean: str) -> None:
    assert plain().text(text) == (clean, clean.count(MASK))
    assert plain().text(clean) == (clean, 0)


@pytest.mark.parametrize("before", ["", "!", "!!", "!!!", "Content-Disposition: form-data\r\n\r\n"])
@pytest.mark.parametrize("spelling", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("around", ["{}", "data:text/plain;base64,{}", '"{}"', "https://h/v1/files/{}"])
def test_a_key_inside_of_base64_is_masked(before: str, spelling: Callable[[bytes], bytes], around: str) -> None:
    redactor = Redactor({"MY_API_KEY": "v4lue-of-it"})
    for secret in (KEYS["openai"], "the v4lue-of-it is here"):
        hidden = spelling(f"{before}{secret} and more ÿ".encode()).decode()
        clean, count = redactor.text(around.format(hidden))
        assert count == 1
        assert hidden.rstrip("=") not in clean
        assert MASK in clean


def test_a_file_in_base64_that_holds_a_key_between_other_bytes_is_masked() -> None:
    data = bytes(range(256)) * 20
    hidden = base64.b64encode(data + KEYS["openai"].encode() + data).decode()
    assert plain().text(f"x {hidden} y") == (f"x {MASK} y", 1)


def test_base64_without_a_key_stays() -> None:
    text = base64.b64encode(bytes(range(256)) * 40).decode() + " " + base64.b64encode(b"Forget the password, please.").decode()
    assert plain().text(text) == (text, 0)


def test_a_key_directly_behind_another_is_masked() -> None:
    assert plain().text(KEYS["aws"] + KEYS["openai"])[0] == MASK * 2


def test_a_mask_is_not_masked_again() -> None:
    redactor = Redactor({"MY_API_KEY": "s3cret-value", "OTHER_TOKEN": MASK, "THIRD_TOKEN": "[REDACTED]!"})
    once, count = redactor.text(f"s3cret-value {KEYS['openai']} {KEYS['private-key']}")
    assert count == 3
    assert redactor.text(once) == (once, 0)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", bytes(range(256)), b"\xed\xa0\x80", b"\xc3", b"RIFF\x00\x80WAVE"])
def test_what_is_no_text_stays_byte_for_byte(data: bytes) -> None:
    assert plain().bytes(data) == (data, 0)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "APIKEY",
        "azure_apikey",
        "HF_TOKEN",
        "MY_SECRET",
        "DB_PASSWORD",
        "GCP_CREDENTIALS",
        "X_CREDENTIAL",
        "AWS_SECRET_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
    ],
)
def test_credentials_of_the_environment_are_masked(name: str) -> None:
    assert Redactor({name: "v4lue-of-it"}).text("a v4lue-of-it b v4lue-of-it") == (f"a {MASK} b {MASK}", 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "v4lue-of-it"),
        ("TOKENIZERS_PARALLELISM", "v4lue-of-it"),
        ("SECRETARY", "v4lue-of-it"),
        ("SORT_KEY", "created_at"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key-1.json"),
        ("API_KEY", "short-1"),
        ("API_KEY", "password"),
        ("API_KEY", PLACEHOLDER_KEY),
        ("API_KEY", ""),
    ],
)
def test_other_variables_are_left_alone(name: str, value: str) -> None:
    text = f"before {value} after"
    assert Redactor({name: value}).text(text) == (text, 0)


def test_a_key_by_another_name_and_a_password_in_an_address_are_credentials_too() -> None:
    redactor = Redactor({"AZURE_OPENAI_KEY": "0123456789abcdef", "DATABASE_URL": "postgres://me:s3cret%2Fpw@db:5/x"})
    assert redactor.text("0123456789abcdef s3cret/pw s3cret%2Fpw") == (f"{MASK} {MASK} {MASK}", 3)


def test_a_credential_that_begins_like_another_is_masked_whole() -> None:
    for number in range(40):  # a set has no order: one pair could come right by luck
        short = f"s3cret-{number:04d}"
        redactor = Redactor({"A_TOKEN": short, "B_TOKEN": f"{short}-and-more", "C_TOKEN": f"pre-{short}"})
        assert redactor.text(f"x {short}-and-more y pre-{short} z")[0] == f"x {MASK} y {MASK} z"


@pytest.mark.parametrize("secret", ['pa"ss-w0rd', "pa\\ss-w0rd", "pässwörd-1"])
@pytest.mark.parametrize("ascii", [True, False])
def test_a_credential_is_masked_as_json_writes_it(secret: str, ascii: bool) -> None:
    body = json.dumps({"content": f"it is {secret}."}, ensure_ascii=ascii).encode()
    clean, count = Redactor({"DB_PASSWORD": secret}).bytes(body)
    assert count == 1
    assert json.loads(clean) == {"content": f"it is {MASK}."}


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"authorization": "Bearer v4lue-of-it"}, "https://h/"),
        ({"authorization": "bearer v4lue-of-it"}, "https://h/"),
        ({"authorization": "Basic v4lue-of-it"}, "https://h/"),
        ({"authorization": "v4lue-of-it"}, "https://h/"),
        ({"api-key": "v4lue-of-it"}, "https://h/"),
        ({"x-api-key": " v4lue-of-it "}, "https://h/"),
        ({"x-goog-api-key": "v4lue-of-it"}, "https://h/"),
        ({"proxy-authorization": "Basic v4lue-of-it"}, "https://h/"),
        ({"cookie": "v4lue-of-it"}, "https://h/"),
        ({"cookie": "a=b; session=v4lue-of-it; c=d"}, "https://h/"),
        ({"authorization": "Basic " + base64.b64encode(b"me:v4lue-of-it").decode()}, "https://h/"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=v4lue-of-it"}, "https://h/"),
        ({"x-amz-security-token": "v4lue-of-it"}, "https://h/"),
        ({}, "https://user:v4lue%2Dof-it@h/"),
        ({}, "https://h/?key=v4lue-of-it"),
        ({}, "https://h/?a=1&Access_Token=v4lue-of-it"),
        ({}, "https://user:v4lue-of-it@h/"),
    ],
)
def test_the_credentials_of_a_request_are_learned(headers: dict[str, str], url: str) -> None:
    redactor = plain()
    assert redactor.text("a v4lue-of-it b")[1] == 0
    redactor.learn(headers, url)
    redactor.learn(headers, url)
    assert redactor.text("a v4lue-of-it b") == (f"a {MASK} b", 1)


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        *(({name: "v4lue-of-it"}, "https://h/") for name in ("user-agent", ":authority", "x-author", "idempotency-key")),
        ({}, "https://h/?q=v4lue-of-it"),
        ({"authorization": f"Bearer {PLACEHOLDER_KEY}"}, "https://h/"),
    ],
)
def test_what_is_no_credential_is_not_learned(headers: dict[str, str], url: str) -> None:
    redactor = plain()
    redactor.learn(headers, url)
    text = f"a v4lue-of-it {PLACEHOLDER_KEY}"
    assert redactor.text(text) == (text, 0)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/v1", "https://h/v1"),
        ("https://user:pass@h:8/v1", "https://h:8/v1"),
        ("https://user@h/v1", "https://h/v1"),
        ("https://user:p@ss@h/v1?a=1", "https://h/v1?a=1"),
        ("https://h/v1?key=s&a=1", "https://h/v1?a=1"),
        ("https://h/v1?key=s", "https://h/v1"),
        ("https://h/v1?a=&KEY=s&b=2", "https://h/v1?a=&b=2"),
        ("https://h/v1?a=x%20y&a=2&token=s", "https://h/v1?a=x%20y&a=2"),
        ("https://h/v1?api-version=2024-10-21&api-key=s", "https://h/v1?api-version=2024-10-21"),
        ("https://h/v1?monkey=1&tokens=2", "https://h/v1?monkey=1&tokens=2"),
        ("https://h/@user?a=@", "https://h/@user?a=%40"),
        ("http://[::1]:9/v1?sig=s", "http://[::1]:9/v1"),
    ],
)
def test_a_url_loses_its_credentials(url: str, expected: str) -> None:
    assert clean_url(url) == expected
    assert clean_url(expected) == expected


@pytest.mark.parametrize("name", sorted(redact.CREDENTIAL_QUERY))
def test_every_credential_of_a_query_goes(name: str) -> None:
    assert clean_url(f"https://h/?a=1&{name}=s3cret&{name.upper()}=s3cret") == "https://h/?a=1"


@pytest.mark.parametrize("name", [*redact.CREDENTIAL_HEADERS, "set-cookie", "x-custom", "user-agent", "openai-organization"])
def test_only_known_headers_are_kept(name: str) -> None:
    headers = {name: "s", "content-type": "application/json"}
    assert redact.request_headers(headers) == {"content-type": "application/json"}
    assert redact.response_headers(headers) == {"content-type": "application/json"}


@pytest.mark.parametrize("name", ["accept", "openai-beta", "anthropic-version", "x-stainless-retry-count"])
def test_request_headers_that_are_kept(name: str) -> None:
    assert redact.request_headers({name: "v"}) == {name: "v"}


@pytest.mark.parametrize(
    "name", ["x-request-id", "retry-after", "x-ratelimit-remaining-tokens", "anthropic-ratelimit-x", "x-ms-region", "date"]
)
def test_response_headers_that_are_kept(name: str) -> None:
    assert redact.response_headers({name: "v"}) == {name: "v"}


def test_the_users_own_step_runs_last() -> None:
    seen: list[str] = []

    def own(text: str) -> str:
        seen.append(text)
        return text.replace("Smith", "N.N.")

    redactor = Redactor({}, own)
    assert redactor.text(f"Smith {KEYS['openai']}") == (f"N.N. {MASK}", 2)
    assert redactor.text("nobody") == ("nobody", 0)
    assert redactor.bytes(b"\xff Smith") == (b"\xff N.N.", 1)
    assert seen[0] == f"Smith {MASK}"


def test_the_users_own_error_reaches_the_caller() -> None:
    def own(text: str) -> str:
        raise RuntimeError("own")

    with pytest.raises(RuntimeError, match="own"):
        Redactor({}, own).text("x")


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "v4lue-of-it")
    assert Redactor().text("v4lue-of-it") == (MASK, 1)


def test_credentials_of_requests_are_forgotten_when_many_newer_ones_were_used_and_those_of_the_environment_never() -> None:
    redactor = Redactor({"SERVICE_TOKEN": "of-the-environment-1"})
    for number in range(redact.LEARNED * 2):
        redactor.learn({"authorization": "Bearer used-again-and-again-1"}, "https://x.y/")
        redactor.learn({"authorization": f"Bearer used-once-{number:06}"}, "https://x.y/")
    kept = [number for number in range(redact.LEARNED * 2) if redactor.text(f"used-once-{number:06}")[1]]
    assert kept == list(range(redact.LEARNED + 1, redact.LEARNED * 2))
    assert redactor.text("of-the-environment-1 used-again-and-again-1") == ("[REDACTED] [REDACTED]", 2)


def test_credentials_are_learned_from_many_threads_at_once() -> None:
    redactor = Redactor({})
    names = [f"key-of-thread-{number:03}" for number in range(200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: redactor.learn({"x-api-key": name}, "https://x.y/"), names))
    assert redactor.text(" ".join(names))[1] == 200


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"q=a%0A+Bearer+{A[:24]}+x", f"q=a%0A+Bearer+{MASK}+x"),
        (f"q=a%20Bearer%20{A[:24]}&x=%C3%A9", f"q=a%20Bearer%20{MASK}&x=%C3%A9"),
        (f"é%20secret_access_key%3D{A[:38]}%2F%2f%20b", f"é%20secret_access_key%3D{MASK}%20b"),
        (f"u=https%3A%2F%2Fme%3As3cret-pw%40db&v={KEYS['openai']}", f"u=https%3A%2F%2F{MASK}%40db&v={MASK}"),
        (f"twice%2520api_key%253D{'0a' * 16}%2520b", f"twice%2520api_key%253D{MASK}%2520b"),
    ],
)
def test_a_percent_encoded_text_is_masked_at_the_right_place(text: str, clean: str) -> None:
    assert plain().text(text) == (clean, clean.count(MASK))
    assert plain().text(clean) == (clean, 0)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n    ", "\n> "])
@pytest.mark.parametrize(
    "spelling", [str, json.dumps, lambda text: json.dumps(json.dumps(text)), lambda text: quote(text, safe="")]
)
def test_a_key_inside_of_base64_in_lines_is_masked(line_end: str, spelling: Callable[[str], str]) -> None:
    for before in range(90):
        hidden = base64.encodebytes(f"{'-' * before}\n{KEYS['openai']} and more".encode()).decode().strip()
        clean, count = plain().text(spelling(f"It is: {hidden}".replace("\n", line_end)))
        assert (clean.rstrip("="), count) == (spelling("It is: X").replace("X", MASK), 1)


def test_words_behind_base64_stay() -> None:
    hidden = base64.b64encode(f"{KEYS['openai']}!".encode()).decode().rstrip("=")
    assert plain().text(f"{hidden}\nHello, you") == (f"{MASK}\nHello, you", 1)


@pytest.mark.parametrize("before", ["/", "/x", "/xy", "/xyz"])
def test_a_file_in_base64_behind_a_path_is_masked(before: str) -> None:
    hidden = base64.b64encode(("x y " * 2000 + KEYS["openai"] + " z" * 2000).encode()).decode()
    assert plain().text(before + hidden) == (MASK, 1)


PEM = f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A1B\n\n{A[:64]}\n{A[:64]}\n{A[:20]}=="
END = "\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("end", ["", END])
@pytest.mark.parametrize("quoted", ["\n", "\r\n", "\n> ", "\n    "])
@pytest.mark.parametrize("spelling", [str, json.dumps, lambda text: json.dumps(json.dumps(text))])
def test_a_private_key_with_headers_is_masked_to_its_end(end: str, quoted: str, spelling: Callable[[str], str]) -> None:
    clean, count = plain().text(spelling(f"It is {PEM}{end}\nHello, you".replace("\n", quoted)))
    assert (clean, count) == (spelling(f"It is {MASK}\nHello, you".replace("\n", quoted)), 1)


@pytest.mark.parametrize(
    "text",
    [
        "sk-" * 60_000,
        "-----BEGIN PRIVATE KEY-----\n" * 7_000,
        "-----BEGIN PRIVATE KEY-----" + "\n> " * 60_000,
        "eyJ" * 60_000,
        "://a:" * 40_000,
        "%25" * 60_000,
        ("a" * 24 + "\\n") * 8_000,
    ],
)
def test_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    start = time.perf_counter()
    plain().text(text)
    assert time.perf_counter() - start < 2  # quadratic, each takes far longer


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        *((name, "s3cr3tPassw0rd", "s3cr3tPassw0rd") for name in ("DB_PASS", "SMTP_PWD", "REDIS_AUTH", "SERVICE_AUTH")),
        *(
            (name, "abcdef0123456789abcdef", "abcdef0123456789abcdef")
            for name in ("OPENAI_API_KEYS", "MISTRAL_KEY_PROD", "OPENAI_APIKEY_2")
        ),
        ("OPENAI_API_KEYS", "abcdef0123456789,ghijkl0123456789", "ghijkl0123456789"),
        ("DB_PASSWORD", "correcthorse", "correcthorse"),
        ("DB_PASSWORD", "/slashes/first0", "/slashes/first0"),
        ("STORAGE", f"AccountName=a;AccountKey={A[:40]}==;B=c", f"{A[:40]}=="),
        ("DATABASE_URL", "postgres://u:p@ss-w0rd1@h/db", "p@ss-w0rd1"),
        ("SOME_TOKEN", "a+b/c d-1234", "a%2Bb/c%20d-1234"),
    ],
)
def test_more_credentials_of_the_environment(name: str, value: str, secret: str) -> None:
    assert Redactor({name: value}).text(f"<{secret}>") == (f"<{MASK}>", 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("STOP_TOKEN", "<|im_end|>"), ("EOS_TOKEN", "<|endoftext|>"), ("MAX_TOKENS", "10000000"), ("PWD", "/work/a1")],
)
def test_numbers_and_the_words_of_models_are_no_credentials(name: str, value: str) -> None:
    assert Redactor({name: value}).text(f"a {value} b") == (f"a {value} b", 0)


def test_a_variable_set_later_is_seen_with_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    monkeypatch.setenv("LATE_API_KEY", "v4lue-set-late")
    redactor.learn({}, "https://h/")
    monkeypatch.delenv("LATE_API_KEY")
    redactor.learn({}, "https://h/")
    assert redactor.text("v4lue-set-late") == (MASK, 1)


@pytest.mark.parametrize("name", ["x-litellm-key", "x-my-token", "x-client-secret", "x-authentication"])
def test_a_header_named_like_a_credential_is_learned(name: str) -> None:
    redactor = plain()
    redactor.learn({name: "Token v4lue-of-it"}, "https://h/")
    assert redactor.text("a v4lue-of-it b") == (f"a {MASK} b", 1)


def test_a_fragment_loses_its_credentials() -> None:
    assert clean_url("https://h/x?a=1#access_token=s&b=2") == "https://h/x?a=1#b=2"
    assert clean_url("https://h/x#a-part") == "https://h/x#a-part"


@by_name
@pytest.mark.parametrize("before", ["%22", "%3D", "%0A", "\\x1b[01;31m\\x1b[K", "\x1b[1m", "\\u001b[31m", "\\n", "\\u003d"])
def test_a_key_behind_an_escape_is_masked(key: str, before: str) -> None:
    clean, count = plain().text(f"q={before}{key}")
    assert key[12:30] not in clean
    assert count >= 1
    assert plain().text(clean) == (clean, 0)


@by_name
def test_a_key_in_percent_encoded_text_is_masked(key: str) -> None:
    clean, count = plain().text(f"a=1&text={quote('the key is ' + key + ' here', safe='')}&b=2")
    assert count >= 1
    assert unquote(clean).count(key[12:30]) == 0
    assert clean.startswith("a=1&text=the%20key%20is%20")
    assert clean.endswith("&b=2")


@pytest.mark.parametrize(
    "text",
    [
        f"AWS Secret Access Key: {A[:40]}",
        f"aws-secret-access-key: {A[:40]}",
        json.dumps({"a": json.dumps({"b": json.dumps({"SecretAccessKey": A[:40]})})}),
        json.dumps({"a": json.dumps({"b": json.dumps({"api_key": "0a" * 16})})}),
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{A[:64]}\n{A[:64]}\n",
        f"> -----BEGIN PRIVATE KEY-----\n> {A[:64]}\n> {A[:64]}\n> -----END PRIVATE KEY-----",
        f"https://h/cb#access_token={A[:30]}",
        f"https://h/?client_secret={A[:20]}",
    ],
)
def test_a_key_in_another_spelling_is_masked(text: str) -> None:
    clean, count = plain().text(text)
    assert count >= 1
    assert A[:30] not in clean
    assert "0a" * 16 not in clean


@pytest.mark.parametrize("shift", range(4))
def test_a_key_in_long_base64_behind_a_path_is_masked(shift: int) -> None:
    data = base64.urlsafe_b64encode(b"x" * 6000 + b" " + KEYS["openai"].encode() + b" " + b"y" * 300).decode()
    assert plain().text(f"https://h/{'a' * shift}/{data}")[1] == 1


@pytest.mark.parametrize("spelled", ["correct+horse%219", "correct%20horse!9", "correct%20horse%219", "correct horse!9"])
def test_a_password_as_forms_and_addresses_spell_it(spelled: str) -> None:
    redactor = Redactor({"DB_PASSWORD": "correct horse!9"})
    assert redactor.text(f"a={spelled}&b=1") == (f"a={MASK}&b=1", 1)


@pytest.mark.parametrize("spelled", ["Ab12%2fcd34%2bef56%3dgh", "Ab12%2Fcd34%2Bef56%3Dgh", "Ab12/cd34+ef56=gh"])
def test_a_key_with_escapes_in_either_case(spelled: str) -> None:
    assert Redactor({"MY_API_KEY": "Ab12/cd34+ef56=gh"}).text(f"k={spelled}") == (f"k={MASK}", 1)


def test_a_secret_in_the_second_line_of_base64() -> None:
    text = "e378dd1ef90d7d02459c1828022c8d3\nY29ycmVjdCBob3JzZSA5"
    redactor = Redactor({"X_SECRET": "correct horse 9"})
    assert redactor.text(text)[1] == 1
    assert not redactor.is_clean(text.encode())
