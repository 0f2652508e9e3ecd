using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.AspNetCore.Components.Web;

namespace KestrelEventLoopTransport.EcosystemTests.Blazor;

/// <summary>Counts clicks, and counts by itself a thousand times.</summary>
public sealed class Counter : ComponentBase
{
    private int _count;

    protected override void BuildRenderTree(RenderTreeBuilder builder)
    {
        builder.OpenElement(0, "p");
        builder.AddAttribute(1, "id", "count");
        builder.AddContent(2, _count);
        builder.CloseElement();
        builder.OpenElement(3, "button");
        builder.AddAttribute(4, "id", "one");
        builder.AddAttribute(5, "onclick", EventCallback.Factory.Create<MouseEventArgs>(this, () => _count++));
        builder.CloseElement();
        builder.OpenElement(6, "button");
        builder.AddAttribute(7, "id", "thousand");
        builder.AddAttribute(8, "onclick", EventCallback.Factory.Create<MouseEventArgs>(this, CountAsync));
        builder.CloseElement();
    }

    private async Task CountAsync()
    {
        for (var i = 0; i < 1000; i++)
        {
            _count++;
            StateHasChanged();

            // The renderer sends what it has.
            await Task.Yield();
        }
    }
}
