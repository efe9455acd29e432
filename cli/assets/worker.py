"""A Fairlane worker, yours to change. Python 3.9 or newer, nothing to install.

FAIRLANE_URL=... FAIRLANE_KEY=... python3 worker.py [--once]
With --once it ends after one task, or with status 1 if none comes within a minute.
"""
import itertools, json, os, random, signal, socket, sys, threading, time, uuid
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import HTTPErrorProcessor, Request, build_opener


# ---- Your work: begin ----
def handle(task):
    """Does what task["params"] says and returns where the result is, as a text.

    What it raises fails the task. Stopped is raised in here when the worker is to end;
    lost.is_set() says that the task was cancelled or is another worker's: give up.
    """
    time.sleep(1)
    return f"https://example.com/{task['task_id']}.mp4"
# ---- Your work: end ----


URL, KEY = os.environ.get("FAIRLANE_URL", "").rstrip("/"), os.environ.get("FAIRLANE_KEY")
if not URL or not KEY:
    sys.exit("Set FAIRLANE_URL and FAIRLANE_KEY")
FUNCTION = URL if urlsplit(URL).path else f"{URL}/functions/v1/fairlane"
WORKER = os.environ.get("FAIRLANE_WORKER_ID") or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
POOL = os.environ.get("FAIRLANE_POOL") or "gpu"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json",
           "User-Agent": "fairlane-worker"}  # Some gateways turn urllib's own away.
# Seconds. After 180 without a heartbeat the queue gives the task to another worker.
POLL, BEAT, ONCE = 10, 20, 60
running, stopping, may_interrupt = None, False, False
lost, over = threading.Event(), threading.Event()


class Stopped(BaseException): "SIGTERM or SIGINT; `except Exception` lets it through."
class Refused(Exception): "The queue said no, and would say it again."
class Plainly(HTTPErrorProcessor):  # A 409 or 503 is an answer, too.
    http_response = https_response = lambda self, request, reply: reply
opener = build_opener(Plainly)


def call(route, body, patience, timeout=60):
    """Sends the same until it is answered; what comes twice counts once."""
    request = Request(f"{FUNCTION}/{route}", json.dumps(body, default=str).encode(), HEADERS)
    began = time.monotonic()
    for tries in itertools.count():
        after = ""
        try:
            with opener.open(request, timeout=timeout) as reply:
                status, text = reply.status, reply.read().decode(errors="replace")
            if status < 300:
                return json.loads(text) if text else None
            problem, after = f"{status} {text[:500]}", reply.headers.get("Retry-After", "")
            # INTERNAL would come again; every other 5xx is of the moment.
            if status not in (408, 425, 429) and (status < 500 or '"INTERNAL"' in problem):
                raise Refused(problem)
        except (OSError, HTTPException, ValueError) as error:  # No network, or half a reply.
            problem = error
        pause = min(2 ** min(tries, 6) / 2, 20) * random.uniform(0.5, 1)
        pause += int(after) if after.isdigit() else 0
        if time.monotonic() - began + pause > (min(patience, 10) if stopping else patience):
            raise TimeoutError(f"{route} got no answer: {problem}")
        print(f"{route}: {problem}; again in {pause:.0f} s", flush=True)
        time.sleep(pause)


def beat(**state):
    try:
        reply = call("beat", {"worker_id": WORKER, **state}, patience=0, timeout=10)
        if any(stop["task_id"] == running for stop in reply["stop"]):
            lost.set()
    except Exception as error:  # The next one may be heard.
        print(f"Heartbeat: {error}", flush=True)


def keep_beating():
    while not over.is_set():
        beat(task_id=running, task_ids=[running] if running else [])
        over.wait(BEAT)


def on_signal(*_):
    # Nothing but work and pauses is cut short: the reply to a claim may bring a task.
    global stopping, may_interrupt
    interrupt, stopping, may_interrupt = may_interrupt, True, False
    if interrupt:
        raise Stopped


def interruptibly(function, argument):
    global may_interrupt
    may_interrupt = True
    try:
        if stopping:
            raise Stopped
        return function(argument)
    finally:
        may_interrupt = False


def work(task):
    global running
    running = task["task_id"]
    lost.clear()
    try:
        route, report = "complete-task", {"output_location": interruptibly(handle, task)}
    except Stopped:  # Back into the queue; this attempt does not count.
        route, report = "update-task-status", {"status": "Queued"}
    except (Exception, SystemExit) as error:
        route, report = "mark-task-failed", {"error_message": str(error) or repr(error)}
    # The lease names this attempt: a report that comes late is refused and spoils nothing.
    lease = {"task_id": running, "lease_token": task["lease_token"]}
    try:
        call(route, {**lease, **report}, patience=600)
        print(running, route, report, flush=True)
    except Exception as error:  # Cancelled, taken back (409), or never heard.
        print(running, "dropped:", error, flush=True)
    running = None


def claim(patience):
    # The id is repeated until there is an answer: a task whose reply was lost comes again.
    ask = {"worker_id": WORKER, "run_type": POOL, "claim_id": str(uuid.uuid4())}
    try:
        return call("claim-next-task", ask, patience, timeout=15)
    except Refused as refused:
        if "CLAIM_ID_USED" not in str(refused):  # That task was cancelled since.
            raise


def main():
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    once, began = "--once" in sys.argv, time.monotonic()
    beats = threading.Thread(target=keep_beating, daemon=True)
    beats.start()
    try:
        while not stopping:
            task = claim(ONCE if once else float("inf"))
            if task:
                work(task)
            if once and (task or time.monotonic() - began > ONCE):
                return 0 if task else "No task came"
            if not task:
                interruptibly(time.sleep, 1 if once else POLL * random.uniform(0.9, 1))
    except Stopped:
        return 0
    except (Refused, TimeoutError) as error:  # A wrong key, address or worker id.
        return None if stopping else f"Cannot claim: {error}"
    finally:
        over.set()
        beats.join(10)
        beat(status="terminated")  # The goodbye: what is left is free at once.


if __name__ == "__main__":
    sys.exit(main())
