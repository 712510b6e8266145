"""The switch between the backends, in the middle of a conversation."""

from playwright.async_api import expect

from stack.up import Stack
from tests.e2e.conftest import Invite


async def test_the_switch_keeps_the_conversation_the_draft_and_what_is_on_its_way(stack: Stack, invite: Invite) -> None:
    ann, ben = await invite(stack, "async", "Ann"), await invite(stack, "sync", "Ben")
    await ann.say("Over FastAPI")
    await ben.say("Heard")
    await ann.hears_out(2)
    first = await ann.rows.first.element_handle()
    await ann.composer.fill("This is half a sen")

    await ann.page.get_by_role("button", name="Switch to Flask").click()
    await expect(ann.page.get_by_test_id("backend-badge")).to_have_text("Flask")
    await ann.sees_state("live")
    await expect(ann.composer).to_have_value("This is half a sen")
    assert await first.evaluate("row => row.isConnected"), "the messages on the screen were drawn anew"
    await ann.say("Over Flask")
    await ben.sees("Over FastAPI", "Heard", "Over Flask")

    for number in range(6):  # written while the connection is on its way from one to the other
        await ann.say(f"Back and forth {number}")
        await ann.page.get_by_test_id("switch-backend").click()
    said = ["Over FastAPI", "Heard", "Over Flask", *(f"Back and forth {number}" for number in range(6))]
    for somebody in (ann, ben):
        await somebody.sees(*said)
    await ben.say("All of it")
    await ann.sees(*said, "All of it")
    await expect(ann.members.locator("li .name")).to_have_text(["Ann", "Ben"])
