#!/usr/bin/env python3
"""Print the manual page velm(1): man.py VELM, where VELM is the command, whose help texts become the page.

A help text is made of usages ("usage: ..." and the indented lines below it), paragraphs, headings such as "Options:",
and rows: an indented term, two spaces or more, and its explanation.
"""

import os
import re
import subprocess
import sys

HEADING = re.compile(r"^([A-Z][A-Za-z ]*):$")
USAGE = re.compile(r"^usage: *(.*)$", re.IGNORECASE)
ROW = re.compile(r"^  (\S.*?)(?:  +(.*))?$")


def run(velm, *arguments):
    environment = {**os.environ, "LC_ALL": "C"}  # GLib then translates nothing
    done = subprocess.run([velm, *arguments], env=environment, stdout=subprocess.PIPE, check=True)
    text = done.stdout.decode("utf-8").rstrip()
    text = re.sub(r"\[OPTION.\]", "[OPTION...]", text)  # GLib's ellipsis is one character, or a "?" for it
    text = re.sub(r"^Help Options:\n(  .*\n?)+\n?", "", text, flags=re.MULTILINE)  # every command has --help
    return text.replace("Application Options:", "Options:")


def roff(text):
    text = text.replace("\\", r"\(rs").replace("-", r"\-")
    return r"\&" + text if text.startswith((".", "'")) else text


def usages_of(text):
    """The usages of a help text, and its other lines."""
    usages, others, inside = [], [], False
    for line in text.splitlines():
        start = USAGE.match(line)
        inside = bool(start) or (inside and line.startswith("  "))
        if not inside:
            others.append(line)
        elif start and start.group(1):
            usages.append(start.group(1))
        elif not start:
            usages.append(line.strip())
    return usages, others


def synopsis(usages):
    for usage in usages:
        command, _, arguments = usage.partition(" ")
        yield ".br"
        yield rf"\fB{roff(command)}\fR {roff(arguments)}"


def body(lines, heading):
    """Paragraphs and rows; @heading is the request for the text's own headings."""
    for line in lines:
        title, row = HEADING.match(line), ROW.match(line)
        if not line:
            yield ".PP"
        elif title:
            yield from (".PP", f"{heading} {title.group(1)}")
        elif row:
            yield from (".TP", rf"\fB{roff(row.group(1))}\fR", roff(row.group(2) or ""))
        else:
            yield roff(line)


def section(velm, *names):
    """A command's section; then those of its own commands, which its usages or rows name: "velm spec check FILE..."."""
    usages, lines = usages_of(run(velm, *names, "--help"))
    full = " ".join(("velm", *names))
    yield f".SS {full}"
    yield from synopsis(usages)
    yield ".PP"
    yield from body(lines, ".B")
    for usage in usages if len(usages) > 1 else ():
        yield from section(velm, *names, usage[len(full) :].split()[0])
    for row in filter(None, map(ROW.match, lines)):
        if row.group(1).startswith(full + " "):
            yield from section(velm, *names, row.group(1)[len(full) :].split()[0])


def page(velm):
    version = run(velm, "--version").split()[-1]
    usages, lines = usages_of(run(velm, "--help"))
    first = next(i for i, line in enumerate(lines) if HEADING.match(line))
    last = max(i for i, line in enumerate(lines) if ROW.match(line)) + 1
    name, what = lines[0].rstrip(".").split(" ", 1)
    yield f'.TH VELM 1 "" "velm {version}" "User Commands"'
    yield from (".SH NAME", rf"{name} \- {roff(what)}", ".SH SYNOPSIS")
    yield from synopsis(usages)
    yield ".SH DESCRIPTION"
    yield from body(lines[:first] + lines[last:], ".SH")
    yield ".SH COMMANDS"
    for row in filter(None, map(ROW.match, lines[:first])):
        yield from section(velm, row.group(1))
    yield from body([line.upper() if HEADING.match(line) else line for line in lines[first:last]], ".SH")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: man.py VELM")
    previous, paragraph = "", False
    for line in page(sys.argv[1]):
        if line == ".PP":
            paragraph = True
        elif not (line == ".br" and previous.startswith((".SH", ".SS"))):
            # A heading or a row begins a paragraph of its own, and so does what follows a heading.
            if paragraph and not line.startswith((".SH", ".SS", ".TP")) and not previous.startswith((".SH", ".SS")):
                print(".PP")
            print(line)
            previous, paragraph = line, False


if __name__ == "__main__":
    main()
