using Microsoft.Playwright;

namespace KestrelEventLoopTransport.BrowserTests;

/// <summary>The system's Chromium, one for all tests. Without one, the tests are skipped.</summary>
public sealed class Browser : IAsyncLifetime
{
    /// <summary>How long the browser may take for one step, in milliseconds.</summary>
    public const float Patience = 60_000;

    private static readonly string[] _paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        if (Array.Find(_paths, File.Exists) is not { } path)
        {
            return;
        }

        _playwright = await Playwright.CreateAsync();

        // Only pages of this machine are opened, and root, whom tests may run as, has no sandbox.
        _browser = await _playwright.Chromium.LaunchAsync(
            new() { ExecutablePath = path, ChromiumSandbox = false, Timeout = 2 * Patience });
    }

    /// <summary>Opens a status page, and waits until it shows connections.</summary>
    internal async Task<Tab> OpenAsync(
        StatusServer server,
        string hash = "",
        ColorScheme scheme = ColorScheme.Light,
        int width = 1400,
        ReducedMotion motion = ReducedMotion.NoPreference)
    {
        var tab = await OpenAsync(new Uri(server.Address + hash), scheme, width, motion);
        await tab.Page.WaitForSelectorAsync("#rows tr");
        return tab;
    }

    /// <summary>Opens a page.</summary>
    internal async Task<Tab> OpenAsync(
        Uri address,
        ColorScheme scheme = ColorScheme.Light,
        int width = 1400,
        ReducedMotion motion = ReducedMotion.NoPreference)
    {
        Assert.SkipWhen(_browser is null, "There is no Chromium at " + string.Join(" or ", _paths) + ".");
        var context = await _browser!.NewContextAsync(new()
        {
            ColorScheme = scheme,
            ReducedMotion = motion,
            ViewportSize = new() { Width = width, Height = 1000 },
        });
        context.SetDefaultTimeout(Patience);
        context.SetDefaultNavigationTimeout(Patience);
        var page = await context.NewPageAsync();
        var tab = new Tab(context, page);
        await page.GotoAsync(address.ToString());
        return tab;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
    }
}
