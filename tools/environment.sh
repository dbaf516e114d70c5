# Sourced by tools/quickstart.sh and tests/run.sh, from the project's root: the virtual environment they run in.
# PYTHON chooses the interpreter, VENV the environment's folder.

# help_if_asked SCRIPT ARGUMENT...: prints the comment at its head if an argument asks for help, and ends.
help_if_asked() {
    local word script=$1
    for word in "${@:2}"; do
        if [[ $word == -h || $word == --help ]]; then
            sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$script"
            exit 0
        fi
    done
}

# refuse_others SCRIPT OPTION ARGUMENT...: ends unless every argument is OPTION, before minutes go into installing.
refuse_others() {
    local word script=$1 option=$2
    for word in "${@:3}"; do
        if [[ $word != "$option" ]]; then
            echo "$script takes no '$word'; expected nothing, $option or --help." >&2
            exit 2
        fi
    done
}

# make_environment STAMP REQUIREMENT: installs REQUIREMENT into $VENV unless it is there.
#
# The file STAMP in it says that posekit made the environment, and which setup.py was installed: nothing else is
# ever cleared, and an interrupted or outdated installation is done again. The interpreter is started as well, for
# a folder that was moved or whose Python is gone.
make_environment() {
    local stamp=$VENV/$1 requirement=$2
    command -v "$PYTHON" >/dev/null || {
        echo "$PYTHON is not there. posekit needs Python >= 3.10; set PYTHON=/path/to/python3." >&2
        exit 2
    }
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
        echo "posekit needs Python >= 3.10; $PYTHON is $("$PYTHON" --version 2>&1). Set PYTHON=/path/to/python3." >&2
        exit 2
    }
    if cmp -s setup.py "$stamp" && "$VENV/bin/python" -c 'import posekit' 2>/dev/null; then
        return
    fi
    if [[ -e $VENV && ! -e $stamp && ! (-d $VENV && -z $(ls -A "$VENV")) ]]; then
        echo "VENV=$VENV is there, and this script did not make it (there is no $1 in it), so it is left alone." >&2
        echo "Set VENV to a folder that is not there yet; or, to use an environment of your own: pip install -e ." >&2
        exit 2
    fi
    printf '== Installing posekit into %s (once; a few minutes)\n' "$VENV"
    "$PYTHON" -m venv --clear "$VENV" || {
        echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv." >&2
        exit 2
    }
    : >"$stamp"
    "$VENV/bin/python" -m pip install --quiet --upgrade pip
    # Python compiles what it imports; pip would compile ten thousand files, one after another.
    "$VENV/bin/python" -m pip install --no-compile --progress-bar "$([[ -t 1 ]] && echo on || echo off)" \
        -e "$requirement"
    cp setup.py "$stamp"
}
