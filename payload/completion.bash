# Completion in bash for makedist, cvmfsexec, mountrepo, umountrepo and singcvmfs. Needs no other file.
# For a bundle with a name of its own: complete -F _cvmfsexec_complete NAME
#
# What the programs can say themselves is not written down here: options and the kinds of their
# values are read off --help, machine types off what makedist lists. A bundle that was never run is
# not unpacked for it, and nothing that is mounted is looked into, for it might hang.

# The directory with the programs and the dist tree that belong to a command, in $home.
_cvmfsexec_find_home()
{
    local program
    program=$(type -P -- "${1/#\~\//$HOME/}") && program=$(readlink -f -- "$program") || return
    for home in "${program%/*}" "${program%/*}"/.{cvmfsexec,singcvmfs}; do
        [[ -d $home/dist ]] && return
    done
    return 1
}

# Whether a command is singcvmfs, or a bundle with it.
_cvmfsexec_is_for_containers()
{
    [[ ${1##*/} == singcvmfs ]] ||
        [[ ${1##*/} != makedist && -x $home/singcvmfs && ! -e $home/cvmfsexec ]]
}

# What --help of a command says, in $help.
_cvmfsexec_ask_help()
{
    case ${1##*/} in
    makedist) help=$("$1" --help 2>/dev/null) ;;
    mountrepo | umountrepo) help=$("$home/${1##*/}" --help 2>/dev/null) ;;
    *)
        help=cvmfsexec
        _cvmfsexec_is_for_containers "$1" && help=singcvmfs
        help=$("$home/$help" --help 2>/dev/null)
        ;;
    esac
}

# The names of all options, from lines like "  -m, --machine=TYPE  ...".
_cvmfsexec_options()
{
    sed -nE 's/^ +(-.*)/\1/; T; s/  .*//; p' <<<"$help" |
        grep -oE -- '(^|[ ,])--?[[:alnum:]][[:alnum:]-]*' | tr -d ' ,'
}

# What the help calls the value of an option, as TYPE; nothing for one that takes none.
_cvmfsexec_value_of()
{
    grep -E -- "^ +(-[[:alnum:]], )?$1([,= ]|\$)" <<<"$help" |
        sed -nE 's/^ +((-[[:alnum:]]|--[[:alnum:]-]+)(, )?)+[= ]([A-Z]+)( .*|$)/\4/p'
}

# Names of repositories: configured, in plain lines of the configuration, or mounted before.
_cvmfsexec_repositories()
{
    local etc
    for etc in "$home/dist/etc/cvmfs" /cvmfs/*config*/etc/cvmfs; do
        [[ $etc == /cvmfs/* && -z $CVMFSEXEC_CMDFD ]] && continue
        ls -- "$etc/config.d" 2>/dev/null | sed -nE 's/^([^.]+\..+)\.(conf|local)$/\1/p'
        sed -nE 's/^(export +)?CVMFS_(REPOSITORIES|CONFIG_REPOSITORY)=//p' \
            "$etc"/default.{conf,local} "$etc"/default.d/*.conf 2>/dev/null |
            tr -d "\"'" | tr -s ', ' '\n\n'
    done
    ls -- "$home/log" 2>/dev/null | sed -nE 's/^([^.]+\..+)\.log$/\1/p'
}

# Names of mounted repositories.
_cvmfsexec_mounted()
{
    local place=$home/dist/cvmfs
    [[ $CVMFSEXEC_CMDFD ]] && place=/cvmfs
    ls -- "$place" 2>/dev/null
}

# Names of sessions: of the sockets where payload/launch/session_record.h says.
_cvmfsexec_sessions()
{
    find "${CVMFSEXEC_SESSIONS:-/tmp/cvmfsexec-$UID}" -maxdepth 1 -type s -printf '%f\n' 2>/dev/null
}

# Offers those of the words given that begin with what is being completed.
_cvmfsexec_offer()
{
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$current" | sort -u)
}

# The same for names of files.
_cvmfsexec_offer_files()
{
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

_cvmfsexec_offer_value()
{
    case $2 in
    FILE | IMAGE | DIR) _cvmfsexec_offer_files ;;
    NAME) _cvmfsexec_offer "$(_cvmfsexec_sessions)" ;;
    TYPE) _cvmfsexec_offer "$("$1" -m '?' 2>&1 | sed '1,2d')" ;;
    esac
}

# What is behind "--" is a command with arguments of its own; $1 is the index of its first word.
_cvmfsexec_offer_command()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)) && [[ $current != */* ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$current" | sort -u)
    else
        _cvmfsexec_offer_files
    fi
}

# For singcvmfs: a command of apptainer, and behind it an image, or what is to be shown in it.
_cvmfsexec_offer_container()
{
    local index=1
    while ((index < COMP_CWORD)) && [[ ${COMP_WORDS[index]} == -* ]]; do
        ((index++))
    done
    if ((index == COMP_CWORD)); then
        if [[ $current == -* ]]; then
            _cvmfsexec_offer "$(_cvmfsexec_options)"
        else
            _cvmfsexec_offer exec instance run shell version
        fi
    elif [[ ${COMP_WORDS[index]} == instance && $COMP_CWORD == $((index + 1)) ]]; then
        _cvmfsexec_offer list start stop
    else
        _cvmfsexec_offer_files
    fi
}

_cvmfsexec_complete()
{
    local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
    local home help index value
    COMPREPLY=()
    [[ ${1##*/} == makedist ]] || _cvmfsexec_find_home "$1" || return
    if _cvmfsexec_is_for_containers "$1"; then
        _cvmfsexec_ask_help "$1"
        _cvmfsexec_offer_container
        return
    fi
    if [[ ${1##*/} != *mountrepo ]]; then
        for ((index = 1; index < COMP_CWORD; index++)); do
            [[ ${COMP_WORDS[index]} == -- ]] && _cvmfsexec_offer_command $((index + 1)) && return
        done
    fi
    # bash takes "--level=3" apart at "=".
    [[ $option == "=" ]] && option=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $current == "=" ]] && current=
    _cvmfsexec_ask_help "$1"
    value=$([[ $option == -* ]] && _cvmfsexec_value_of "$option")
    if [[ $value ]]; then
        _cvmfsexec_offer_value "$1" "$value"
    elif [[ $current == -* ]]; then
        _cvmfsexec_offer "$(_cvmfsexec_options)"
    else
        case ${1##*/} in
        makedist)
            if [[ " ${COMP_WORDS[*]} " == *" --extract "* ]]; then
                _cvmfsexec_offer_files
            else
                _cvmfsexec_offer osg egi default none
            fi
            ;;
        umountrepo) _cvmfsexec_offer "$(_cvmfsexec_mounted)" ;;
        *) _cvmfsexec_offer "$(_cvmfsexec_repositories)" ;;
        esac
    fi
}

complete -F _cvmfsexec_complete makedist cvmfsexec mountrepo umountrepo singcvmfs
