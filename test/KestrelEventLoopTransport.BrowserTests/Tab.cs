using System.Collections.Concurrent;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace KestrelEventLoopTransport.BrowserTests;

/// <summary>An open page. It keeps what the browser complains about, and what it asks for.</summary>
internal sealed class Tab : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly IBrowserContext _context;

    public Tab(IBrowserContext context, IPage page)
    {
        _context = context;
        Page = page;
        page.Console += (_, message) => _complaints.Enqueue(message.Text);
        page.PageError += (_, error) => _complaints.Enqueue(error);
        page.Request += (_, request) => _requests.Enqueue(request.Url);
        page.Dialog += (_, dialog) =>
        {
            _complaints.Enqueue("A dialog of a foreign script: " + dialog.Message);
            _ = dialog.DismissAsync();
        };
    }

    public IPage Page { get; }

    /// <summary>Errors of scripts, violations of the content policy, dialogs.</summary>
    public IReadOnlyCollection<string> Complaints => _complaints;

    /// <summary>The addresses that were asked for, the page itself among them.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <summary>The row of the connection of a peer, on the status page.</summary>
    public ILocator RowOf(string peer)
        => Page.Locator("#rows tr").Filter(new() { Has = Page.GetByText(peer, new() { Exact = true }) });

    /// <summary>Axe finds nothing, and the page is not wider than the window.</summary>
    public async Task AssertAccessibleAsync()
    {
        var result = await Page.RunAxe();
        Assert.Equal("", string.Join(
            Environment.NewLine,
            result.Violations.SelectMany(static rule => rule.Nodes.Select(node => $"{rule.Id}: {node.Html}"))));
        Assert.True(await Page.EvaluateAsync<bool>(
            "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"));
    }

    public ValueTask DisposeAsync() => new(_context.CloseAsync());
}
