"""What a browser may do: `local_aws/gateway.py`."""

from tests.support import SharedAwsTest


class Browsers(SharedAwsTest):
    def test_another_page_and_another_host_name_are_refused(self):
        path = "/_cloudapp/mail"
        self.assertEqual(self.aws.get(path)[0], 200)
        self.assertEqual(self.aws.get(path, {"Origin": "https://example.com"})[0], 403)
        self.assertEqual(self.aws.get(path, {"Host": "example.com"})[0], 403)
        self.assertEqual(self.aws.get("/_ministack/ses/messages", {"Origin": "https://example.com"})[0], 403)

    def test_what_is_not_there(self):
        self.assertEqual(self.aws.get("/_cloudapp/nothing")[0], 404)
        self.assertEqual(self.aws.get("/_cloudapp/checkpoint")[0], 404)
