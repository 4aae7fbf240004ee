#!/bin/sh
# Browser tests need Chromium. Install it by apt where that is allowed; otherwise say so in one
# line, and the tests skip themselves.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    if apt-get update -qq >/dev/null 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "Chromium is not installed and could not be had by apt: the browser tests will be skipped."
