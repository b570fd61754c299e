use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, Cookie};

/// How long something may take to come.
const LIMIT: Duration = Duration::from_secs(60);

/// Whether pages' JavaScript runs.
#[derive(Debug, Clone, Copy)]
enum Scripts {
    Run,
    Blocked,
}

/// A headless Chromium with a profile of its own.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    chromedriver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// If Chromium or its driver is missing; names the line that installs them.
    pub async fn start() -> Self {
        Self::start_with(Scripts::Run).await
    }

    /// Starts one that runs no JavaScript of pages.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_without_scripts() -> Self {
        Self::start_with(Scripts::Blocked).await
    }

    async fn start_with(scripts: Scripts) -> Self {
        let install = "install it with: apt-get install chromium chromium-driver";
        let chromium = find(&["chromium", "google-chrome", "chromium-browser"])
            .unwrap_or_else(|| panic!("Chromium is missing; {install}"));
        let program = find(&["chromedriver"]).unwrap_or_else(|| panic!("ChromeDriver is missing; {install}"));
        let port = cloudapp_free_port::free_port().expect("a free port");
        let chromedriver = Command::new(program)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let capabilities = capabilities(&chromium, profile.path(), scripts).expect("capabilities");
        let server = format!("http://127.0.0.1:{port}");
        let driver = crate::eventually_some("Chromium starts", async || {
            WebDriver::new(&server, capabilities.clone()).await.ok()
        })
        .await;
        Self { driver, chromedriver, _profile: profile }
    }

    /// Opens a page.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.expect("the page opens");
    }

    /// The element, once it is there.
    ///
    /// # Panics
    /// If it does not come within a minute; saves a screenshot then.
    pub async fn find(&self, css: &str) -> WebElement {
        let query = self.driver.query(By::Css(css)).wait(LIMIT, Duration::from_millis(100));
        match query.first().await {
            Ok(element) => element,
            Err(_) => {
                let picture = self.screenshot("missing-element").await;
                let text = self.text("body").await;
                panic!("no `{css}` on {} (see {}):\n{text}", self.url().await, picture.display())
            }
        }
    }

    /// Whether the element is there now.
    pub async fn has(&self, css: &str) -> bool {
        self.driver.query(By::Css(css)).nowait().exists().await.unwrap_or(false)
    }

    /// Waits until the element's text contains `part`.
    ///
    /// # Panics
    /// If it does not within a minute; saves a screenshot then.
    pub async fn find_text(&self, css: &str, part: &str) {
        let said =
            crate::wait::within(LIMIT, async || self.text(css).await.contains(part).then_some(())).await;
        if said.is_none() {
            let picture = self.screenshot("missing-text").await;
            let text = self.text("body").await;
            panic!(
                "`{css}` does not say “{part}” on {} (see {}):\n{text}",
                self.url().await,
                picture.display()
            );
        }
    }

    /// The element's text as a reader sees it; empty if it is not there.
    pub async fn text(&self, css: &str) -> String {
        match self.driver.query(By::Css(css)).nowait().first().await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Clicks.
    ///
    /// # Panics
    /// If the element cannot be clicked.
    pub async fn click(&self, css: &str) {
        self.find(css).await;
        let clicked = crate::wait::within(LIMIT, async || {
            // A live page may replace the element between finding and clicking it.
            let element = self.driver.query(By::Css(css)).nowait().first().await.ok()?;
            element.scroll_into_view().await.ok()?;
            element.click().await.ok()
        });
        assert!(clicked.await.is_some(), "`{css}` cannot be clicked on {}", self.url().await);
    }

    /// Clicks what an XPath names, for elements that only their text tells apart.
    ///
    /// # Panics
    /// If there is no such element within a minute, or it cannot be clicked.
    pub async fn click_xpath(&self, xpath: &str) {
        let query = self.driver.query(By::XPath(xpath)).wait(LIMIT, Duration::from_millis(100));
        let element = query.first().await.unwrap_or_else(|_| panic!("no `{xpath}`"));
        element.scroll_into_view().await.expect("it can be scrolled to");
        element.click().await.unwrap_or_else(|error| panic!("`{xpath}` cannot be clicked: {error}"));
    }

    /// Replaces a field's content.
    ///
    /// # Panics
    /// If the element is no field.
    pub async fn fill(&self, css: &str, text: &str) {
        self.find(css).await;
        let filled = crate::wait::within(LIMIT, async || {
            let field = self.driver.query(By::Css(css)).nowait().first().await.ok()?;
            field.clear().await.ok()?;
            field.send_keys(text).await.ok()
        });
        assert!(filled.await.is_some(), "`{css}` cannot be filled on {}", self.url().await);
    }

    /// Where the browser is.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn url(&self) -> String {
        self.driver.current_url().await.expect("a page").to_string()
    }

    /// Waits until the address contains `part`.
    pub async fn wait_for_url(&self, part: &str) {
        crate::eventually_some(&format!("the address contains {part}"), async || {
            self.url().await.contains(part).then_some(())
        })
        .await;
    }

    /// Its cookies.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn cookies(&self) -> Vec<Cookie> {
        self.driver.get_all_cookies().await.expect("cookies")
    }

    /// Runs JavaScript and returns its value.
    ///
    /// # Panics
    /// If the script throws.
    pub async fn evaluate(&self, script: &str) -> serde_json::Value {
        self.driver.execute(script, vec![]).await.expect("the script runs").json().clone()
    }

    /// Sets the size of the window's content, pixels.
    ///
    /// # Panics
    /// If the browser is gone.
    pub async fn resize(&self, width: u32, height: u32) {
        self.driver.set_window_rect(0, 0, width, height).await.expect("the window can be sized");
    }

    /// Saves what is seen, in `$CLOUDAPP_SCREENSHOTS` or a temporary folder.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let folder = std::env::var_os("CLOUDAPP_SCREENSHOTS")
            .map_or_else(|| std::env::temp_dir().join("cloudapp-screenshots"), PathBuf::from);
        let _ = std::fs::create_dir_all(&folder);
        let path = folder.join(format!("{name}.png"));
        // A picture is for people; that it could not be taken must not hide why it was wanted.
        let _ = self.driver.screenshot(&path).await;
        path
    }

    /// Closes it.
    pub async fn close(mut self) {
        let _ = self.driver.clone().quit().await;
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A failed test leaves no browser behind: ChromeDriver ends Chromium on SIGTERM. One that has been waited for
        // has no process any more, and its number may be somebody else's.
        if let Ok(None) = self.chromedriver.try_wait() {
            crate::processes::signal("-TERM", self.chromedriver.id());
            let _ = self.chromedriver.wait();
        }
    }
}

fn capabilities(
    chromium: &std::path::Path,
    profile: &std::path::Path,
    scripts: Scripts,
) -> WebDriverResult<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(&chromium.display().to_string())?;
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
    ] {
        capabilities.add_arg(argument)?;
    }
    if let Scripts::Blocked = scripts {
        let blocked = serde_json::json!({ "profile.managed_default_content_settings.javascript": 2 });
        capabilities.add_experimental_option("prefs", blocked)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    Ok(capabilities)
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}
