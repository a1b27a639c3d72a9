// Keeps the ticket count fresh and fills the list of customers on the start page.
(function () {
  "use strict";
  var badge = document.getElementById("queue-count");
  var recent = document.getElementById("recent-customers");

  function count() {
    fetch("/agent/queue-count", { headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.ok ? answer.json() : { open: "" }; })
      .then(function (data) { badge.textContent = data.open; })
      .catch(function () { badge.textContent = ""; });
  }

  function customers() {
    fetch("/api/customers", { headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.ok ? answer.json() : { customers: [] }; })
      .then(function (data) {
        data.customers.slice(-5).reverse().forEach(function (one) {
          var item = document.createElement("li");
          item.textContent = one.name + ", " + one.phone;
          recent.appendChild(item);
        });
      })
      .catch(function () { recent.textContent = "Not available right now."; });
  }

  if (badge) { count(); setInterval(count, 15000); }
  if (recent) { customers(); }
})();
