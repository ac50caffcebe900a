"""A client of `tally serve` as its documents describe it: answers as JSON, pages of lists, and the feed."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request

ASK_AGAIN = (429, 503)
PAUSE_SECS = 0.05
SILENCE_SECS = 120


class Problem(Exception):
    """The server refuses a request, and asking again would not help."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body.get('type')}: {body.get('detail')}")
        self.kind = body.get("type", "").removeprefix("urn:tally:problem:")
        self.body = body


def _problem(error):
    """Reads the problem of a refused request."""
    try:
        return Problem(error.code, json.load(error))
    except ValueError:
        return Problem(error.code, {"detail": "the body is no JSON"})


class Client:
    """Asks one address, behind which there may be several servers."""

    def __init__(self, base, token=None):
        self.base = base.rstrip("/")
        self.token = token

    def _request(self, path, accept, parameters):
        """Makes the request for a path."""
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
        request = urllib.request.Request(f"{self.base}{path}" + (f"?{query}" if query else ""), headers={"Accept": accept})
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        return request

    def _open(self, path, accept, parameters):
        """Opens an answer, and asks again as long as no server can give one.

        The first time that a server is behind, another one is asked at once, since there may be one at the same address."""
        were_behind = 0
        while True:
            try:
                return urllib.request.urlopen(self._request(path, accept, parameters), timeout=SILENCE_SECS)
            except urllib.error.HTTPError as error:
                with error:
                    problem = _problem(error)
                if error.code not in ASK_AGAIN:
                    raise problem from None
                were_behind += problem.kind == "behind"
                if problem.kind != "behind" or were_behind % 2 == 0:
                    time.sleep(float(error.headers.get("Retry-After", PAUSE_SECS)))
            except (OSError, http.client.HTTPException):
                time.sleep(PAUSE_SECS)

    def get(self, path, **parameters):
        """Returns the answer to a request as JSON."""
        while True:
            try:
                with self._open(path, "application/json", parameters) as answer:
                    return json.load(answer)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(PAUSE_SECS)

    def whole_list(self, path, rows, **parameters):
        """Returns the last page of a list and all its rows, from the beginning again whenever its state has moved."""
        while True:
            found, cursor = [], None
            try:
                while True:
                    page = self.get(path, **parameters, cursor=cursor)
                    found += page[rows]
                    cursor = page["next"]
                    if cursor is None:
                        return page, found
            except Problem as problem:
                if problem.kind != "moved":
                    raise

    def stream(self, path, **parameters):
        """Yields the events of a stream as (id, name, data), until the stream ends or breaks."""
        try:
            with self._open(path, "text/event-stream", parameters) as answer:
                place, name, data = None, "message", []
                for line in answer:
                    field, _, value = line.decode().rstrip("\r\n").partition(":")
                    value = value.removeprefix(" ")
                    if field == "id":
                        place = value
                    elif field == "event":
                        name = value
                    elif field == "data":
                        data.append(value)
                    elif not field and not value:
                        if data:
                            yield place, name, json.loads("\n".join(data))
                        name, data = "message", []
        except (OSError, http.client.HTTPException):
            return


def place_count(cursor):
    """Returns how many facts hold up to a cursor."""
    return int(cursor.partition("-")[0])
