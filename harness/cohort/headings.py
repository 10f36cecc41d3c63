"""Headings that platforms and teachers write over the columns of a class list, in several languages."""

import unicodedata
from collections.abc import Mapping
from typing import Literal

Kind = Literal[
    "name", "given", "family", "email", "login", "sid", "id", "participant", "group", "role",
    "grade", "maximum", "changeable", "feedback",
]  # fmt: skip
"""What a column holds. `id` is a number of the platform or of whoever wrote the list; `sid` one of the
university; `participant` Moodle's number in an assignment."""

_WRITTEN: dict[Kind, str] = {
    "name": "name, student, full name, fullname, student name, display name, participant name, user, "
    "teilnehmer, teilnehmerin, teilnehmer/in, studierende, studierender, student/in, vollständiger name, "
    "voller name, anzeigename, vor- und nachname, nachname vorname, nom complet, nombre completo, "
    "nome completo, naam, volledige naam, etudiant, estudiante, alumno, studente, roster name, sortable name",
    "given": "first name, firstname, given name, forename, first, vorname, vornamen, rufname, prénom, "
    "nombre, nome, voornaam, student first",
    "family": "last name, lastname, surname, family name, last, nachname, familienname, zuname, nom, "
    "nom de famille, apellido, apellidos, apellido(s), cognome, achternaam, student last",
    "email": "email, e-mail, mail, email address, e-mail address, emailaddress, mail address, "
    "e-mail-adresse, mailadresse, adresse de courriel, courriel, dirección de correo, correo electrónico, "
    "correo, indirizzo email, e-mailadres, student email, school email",
    "login": "login, username, user name, login id, sis login id, user id, userid, account, anmeldename, "
    "benutzername, benutzerkennung, kennung, nutzername, loginname, github username, github, github login, "
    "nom d'utilisateur, nombre de usuario, gebruikersnaam, unix login, netid, uni-id, uid",
    "sid": "sid, sis user id, sis id, student id, id number, idnumber, student number, "
    "matriculation number, matriculation no, matrikelnummer, matrikelnr, matrikel, matr.nr., matnr, "
    "immatrikulationsnummer, registration number, id-nummer, numéro d'identification, número de id, "
    "university id, perm, perm #, integration id, lms_user_id, external id",
    "id": "id, canvas id, canvas user id, moodle id, kennnummer, nummer, number, no, nr",
    "participant": "identifier, participant id, participant, teilnehmernummer",
    "group": "group, groups, gruppe, gruppen, team, submission group, group name, gruppenname, groupe, grupo",
    "role": "role, rolle, roles, rollen",
    "grade": "grade, bewertung, note, calificación",
    "maximum": "maximum grade, bestwertung, max grade, höchste bewertung",
    "changeable": "grade can be changed, bewertung kann geändert werden",
    "feedback": "feedback comments, feedback als kommentar, feedback, comment, comments, kommentar",
}


def plainly(heading: str) -> str:
    """Write a heading in small letters without accents, spaces and signs."""
    letters = unicodedata.normalize("NFKD", heading.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def kind_of(heading: str) -> Kind | None:
    """Return the kind of a column, by its heading; None for any other."""
    return _KINDS.get(plainly(heading))


# Private functions


def _without_umlauts(heading: str) -> str:
    return heading.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")


_KINDS: Mapping[str, Kind] = {
    plainly(way): kind
    for kind, headings in _WRITTEN.items()
    for heading in headings.split(", ")
    for way in (heading, _without_umlauts(heading))
}
