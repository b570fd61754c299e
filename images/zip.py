"""Makes a Lambda's zip of a program: `zip.py PROGRAM ZIP`. One file `bootstrap`; the same program gives the same bytes."""

import os
import sys
import time
import zipfile


def main():
    program, target = sys.argv[1:]
    moment = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    entry = zipfile.ZipInfo("bootstrap", date_time=moment)
    entry.create_system = 3  # Unix, so that the mode counts
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with open(program, "rb") as file, zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, file.read(), compresslevel=9)


if __name__ == "__main__":
    main()
