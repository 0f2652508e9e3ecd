using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace KestrelEventLoopTransport.BrowserTests;

/// <summary>An open status page. It keeps what the browser complains about.</summary>
internal sealed class StatusTab : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly IBrowserContext _context;

    public StatusTab(IBrowserContext context, IPage page)
    {
        _context = context;
        Page = page;
        page.Console += (_, message) => _complaints.Enqueue(message.Text);
        page.PageError += (_, error) => _complaints.Enqueue(error);
        page.Dialog += (_, dialog) =>
        {
            _complaints.Enqueue("A dialog of a foreign script: " + dialog.Message);
            _ = dialog.DismissAsync();
        };
    }

    public IPage Page { get; }

    /// <summary>Errors of scripts, violations of the content policy, dialogs.</summary>
    public IReadOnlyCollection<string> Complaints => _complaints;

    /// <summary>The row of the connection of a peer.</summary>
    public ILocator RowOf(string peer)
        => Page.Locator("#rows tr").Filter(new() { Has = Page.GetByText(peer, new() { Exact = true }) });

    public ValueTask DisposeAsync() => new(_context.CloseAsync());
}
