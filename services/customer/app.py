"""The composition root of the customer service."""

import os

from chassis.app import Parts, Run, Toolbox
from chassis.rpc.identity import RemoteIdentity
from chassis.settings import service_settings
from services.customer.consumers import consumers
from services.customer.methods.contact import CONTACT
from services.customer.methods.customer import CUSTOMER
from services.customer.methods.customer_transition import Transitions
from services.customer.methods.ready_made import ReadyMade


def serve(run: Run) -> None:
    """Read the settings and run the service, or an operator's command on it."""
    run(service_settings("customer", os.environ), build)


def build(toolbox: Toolbox) -> Parts:
    """Resources, methods, consumers and jobs of the service."""
    customers, contacts = toolbox.collection(CUSTOMER), toolbox.collection(CONTACT)
    return Parts(
        identity=RemoteIdentity(toolbox.clients),
        collections=(customers, contacts),
        consumers=consumers(ReadyMade(customers)),
        methods={
            "crm.customer.v1.CustomerService": customers.methods(),
            "crm.customer.v1.ContactService": contacts.methods(),
            "crm.customer.v1.CustomerTransitionService": Transitions(customers).methods(),
        },
    )
